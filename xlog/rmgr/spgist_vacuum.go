// SPDX-License-Identifier: Apache-2.0

package rmgr

// SPGistVacuumLeaf is spgxlogVacuumLeaf: vacuum changed the chains of a leaf page, block 0.
//
//	nDead u16, nPlaceholder u16, nMove u16, nChain u16, spgxlogState, dead u16 * nDead, placeholder u16 * nPlaceholder,
//	from u16 * nMove, to u16 * nMove, chained u16 * nChain, next u16 * nChain
type SPGistVacuumLeaf struct {
	State             SPGistState
	Dead, Placeholder Uint16s // tuples that become so
	MoveFrom, MoveTo  Uint16s
	Chained, Next     Uint16s // tuples whose link to the next one changes, and the link
}

func (p *SPGistVacuumLeaf) decode(in *input) {
	dead, placeholder, move, chain := in.u16(), in.u16(), in.u16(), in.u16()
	p.State = in.spgistState()
	p.Dead, p.Placeholder = in.u16s(int64(dead)), in.u16s(int64(placeholder))
	p.MoveFrom, p.MoveTo = in.u16s(int64(move)), in.u16s(int64(move))
	p.Chained, p.Next = in.u16s(int64(chain)), in.u16s(int64(chain))
}

// Describe implements Payload.
func (p *SPGistVacuumLeaf) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.SPGistTextFull() {
		return dst
	}
	dst = appendInt(dst, "ndead: ", p.Dead.Len())
	dst = appendInt(dst, ", nplaceholder: ", p.Placeholder.Len())
	dst = appendInt(dst, ", nmove: ", p.MoveFrom.Len())
	return appendInt(dst, ", nchain: ", p.Chained.Len())
}

// SPGistVacuumRoot is spgxlogVacuumRoot: vacuum removed tuples of a root that is a leaf, block 0.
//
//	nDelete u16, pad 2, spgxlogState, deleted u16 * nDelete
type SPGistVacuumRoot struct {
	State   SPGistState
	Deleted Uint16s
}

func (p *SPGistVacuumRoot) decode(in *input) {
	n := in.u16()
	p.State = in.spgistState()
	p.Deleted = in.u16s(int64(n))
}

// Describe implements Payload.
func (p *SPGistVacuumRoot) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.SPGistTextFull() {
		return dst
	}
	return appendInt(dst, "ndelete: ", p.Deleted.Len())
}

// SPGistVacuumRedirect is spgxlogVacuumRedirect: vacuum made placeholders of redirections, and removed placeholders
// at the end of a page, block 0.
//
//	nToPlaceholder u16, firstPlaceholder u16, newestRedirectXid u32 [, isCatalogRel u8, pad 1 from 16 on],
//	redirections u16 * nToPlaceholder
type SPGistVacuumRedirect struct {
	FirstPlaceholder uint16 // first that is removed; 0 for none
	Horizon          uint32 // newest transaction of a redirection
	IsCatalogRel     bool
	Redirections     Uint16s
}

func (p *SPGistVacuumRedirect) decode(in *input) {
	n := in.u16()
	*p = SPGistVacuumRedirect{FirstPlaceholder: in.u16(), Horizon: in.u32()}
	if in.IndexCatalogFlag() {
		p.IsCatalogRel = in.bool()
		in.align(2)
	}
	p.Redirections = in.u16s(int64(n))
}

// Describe implements Payload.
func (p *SPGistVacuumRedirect) Describe(dst []byte, pr *Printing) []byte {
	if !pr.Dialect.SPGistTextFull() {
		return appendUint(dst, "newest XID ", p.Horizon)
	}
	dst = appendInt(dst, "ntoplaceholder: ", p.Redirections.Len())
	dst = appendUint(dst, ", firstplaceholder: ", p.FirstPlaceholder)
	label := ", newestredirectxid: "
	if pr.Dialect.IndexTextHorizon() {
		label = ", snapshotConflictHorizon: "
	}
	return pr.appendCatalog(appendUint(dst, label, p.Horizon), ", isCatalogRel: ", p.IsCatalogRel)
}
