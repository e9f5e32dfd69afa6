// SPDX-License-Identifier: Apache-2.0

package catalog

import "net/netip"

// An inet's payload is: family u8, bits of the network u8, address. A cidr's is the same.
const (
	familyIPv4 = 2 // PGSQL_AF_INET
	familyIPv6 = 3 // PGSQL_AF_INET6
)

func outInet(p *printer, t *Type, raw []byte) error { return p.network(t, raw, false) }
func outCIDR(p *printer, t *Type, raw []byte) error { return p.network(t, raw, true) }

// network writes an address, with its bits when they are not all or must be there (network_out in
// src/backend/utils/adt/network.c).
func (p *printer) network(t *Type, raw []byte, always bool) error {
	if len(raw) < 2 {
		return malformed(t, "no address")
	}
	addr, ok := netip.AddrFromSlice(raw[2:])
	if !ok || addr.Is4() != (raw[0] == familyIPv4) || addr.Is6() != (raw[0] == familyIPv6) {
		return malformed(t, "wrong family of addresses")
	}
	if int(raw[1]) > addr.BitLen() {
		return malformed(t, "more bits than the address has")
	}
	if addr.Is4() {
		p.buf = addr.AppendTo(p.buf)
	} else {
		p.ipv6(addr)
	}
	if always || int(raw[1]) < addr.BitLen() {
		p.char('/')
		p.uint(uint64(raw[1]))
	}
	return nil
}

// ipv6 writes an address of 16 bytes (inet_net_ntop_ipv6 in src/port/inet_net_ntop.c). Unlike Go, PostgreSQL writes
// the last four bytes in decimal of any address that begins with just twelve zeros.
func (p *printer) ipv6(addr netip.Addr) {
	b := addr.As16()
	if [12]byte(b[:]) == [12]byte{} && (b[12] != 0 || b[13] != 0) {
		p.str("::")
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	p.buf = addr.AppendTo(p.buf)
}
