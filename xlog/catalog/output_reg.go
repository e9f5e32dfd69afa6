// SPDX-License-Identifier: Apache-2.0

package catalog

import "github.com/walmirror/walmirror/xlog/pgtext"

// The reg* types are OIDs that are written as names, with a schema when the name alone would not find what is meant
// (src/backend/utils/adt/regproc.c). What is not there any more is written as a number.

func outRegproc(p *printer, _ *Type, raw []byte) error {
	return p.object(catalogFunctions, u32(raw), "-", func(o *Object) error {
		p.qualified(o, o.Alone)
		return nil
	})
}

func outRegprocedure(p *printer, _ *Type, raw []byte) error {
	return p.object(catalogFunctions, u32(raw), "-", func(o *Object) error {
		p.qualified(o, o.Visible)
		return p.arguments(o.Args)
	})
}

func outRegoper(p *printer, _ *Type, raw []byte) error {
	return p.object(catalogOperators, u32(raw), "0", func(o *Object) error {
		p.operator(o, o.Alone)
		return nil
	})
}

func outRegoperator(p *printer, _ *Type, raw []byte) error {
	return p.object(catalogOperators, u32(raw), "0", func(o *Object) error {
		p.operator(o, o.Visible)
		return p.arguments(o.Args)
	})
}

func outRegclass(p *printer, _ *Type, raw []byte) error {
	return p.visible(catalogRelations, u32(raw))
}

func outRegcollation(p *printer, _ *Type, raw []byte) error {
	return p.visible(catalogCollations, u32(raw))
}

func outRegconfig(p *printer, _ *Type, raw []byte) error {
	return p.visible(catalogTSConfigs, u32(raw))
}

func outRegdictionary(p *printer, _ *Type, raw []byte) error {
	return p.visible(catalogTSDicts, u32(raw))
}

func outRegrole(p *printer, _ *Type, raw []byte) error { return p.visible(catalogRoles, u32(raw)) }

func outRegnamespace(p *printer, _ *Type, raw []byte) error {
	return p.visible(catalogSchemas, u32(raw))
}

func outRegtype(p *printer, _ *Type, raw []byte) error {
	oid := u32(raw)
	if oid == 0 {
		p.char('-')
		return nil
	}
	t, err := p.Names.Type(oid)
	if err != nil {
		return err
	}
	if t == nil {
		p.uint(uint64(oid))
		return nil
	}
	return p.typeName(oid, 0, false)
}

// object writes an OID as write does what it means; none is the text of 0.
func (p *printer) object(catalog, oid uint32, none string, write func(*Object) error) error {
	if oid == 0 {
		p.str(none)
		return nil
	}
	o, err := p.Names.Object(catalog, oid)
	if err != nil {
		return err
	}
	if o == nil {
		p.uint(uint64(oid))
		return nil
	}
	return write(o)
}

func (p *printer) visible(catalog, oid uint32) error {
	return p.object(catalog, oid, "-", func(o *Object) error {
		p.qualified(o, o.Visible)
		return nil
	})
}

func (p *printer) identifier(name string) {
	p.buf = pgtext.AppendIdentifier(p.buf, name, p.Flavour, p.Major)
}

// qualified writes a name, with its schema unless it is found without.
func (p *printer) qualified(o *Object, found bool) {
	if !found && o.Schema != "" {
		p.identifier(o.Schema)
		p.char('.')
	}
	p.identifier(o.Name)
}

func (p *printer) operator(o *Object, found bool) {
	if !found {
		p.identifier(o.Schema)
		p.char('.')
	}
	p.str(o.Name)
}

func (p *printer) arguments(types []uint32) error {
	p.char('(')
	for i, t := range types {
		if i > 0 {
			p.char(',')
		}
		if err := p.argument(t); err != nil {
			return err
		}
	}
	p.char(')')
	return nil
}

func (p *printer) argument(oid uint32) error {
	if oid == 0 {
		p.str("NONE")
		return nil
	}
	return p.typeName(oid, 0, false)
}
