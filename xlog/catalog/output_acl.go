// SPDX-License-Identifier: Apache-2.0

package catalog

import "strings"

// aclRights are the letters of the privileges (ACL_ALL_RIGHTS_STR in src/include/utils/acl.h) from the lowest bit on.
// An older server has fewer of them, and never sets the other bits.
const aclRights = "arwdDxtXUCTcsAm"

// outACLItem writes aclitem (aclitemout in src/backend/utils/adt/acl.c): grantee u32, grantor u32, privileges, and
// above them as many bits for those that may be granted further: u32 before 16, u64 since.
func outACLItem(p *printer, t *Type, raw []byte) error {
	var rights, grantable uint32
	switch len(raw) {
	case 12:
		rights, grantable = u32(raw[8:])&0xFFFF, u32(raw[8:])>>16
	case 16:
		rights, grantable = u32(raw[8:]), u32(raw[12:])
	default:
		return malformed(t, "neither 12 nor 16 bytes")
	}
	if grantee := u32(raw); grantee != 0 { // 0 is PUBLIC
		if err := p.aclRole(grantee); err != nil {
			return err
		}
	}
	p.char('=')
	for i, letter := range []byte(aclRights) {
		if rights>>i&1 != 0 {
			p.char(letter)
		}
		if grantable>>i&1 != 0 {
			p.char('*')
		}
	}
	p.char('/')
	return p.aclRole(u32(raw[4:]))
}

// aclRole writes a role's name as putid does, or the OID of one that is gone.
func (p *printer) aclRole(oid uint32) error {
	role, err := p.Names.Object(catalogRoles, oid)
	if err != nil {
		return err
	}
	if role == nil {
		p.uint(uint64(oid))
		return nil
	}
	plain := true
	for _, c := range []byte(role.Name) {
		plain = plain && (c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z')
	}
	if plain {
		p.str(role.Name)
		return nil
	}
	p.str(`"` + strings.ReplaceAll(role.Name, `"`, `""`) + `"`)
	return nil
}
