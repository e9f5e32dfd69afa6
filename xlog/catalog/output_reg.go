// SPDX-License-Identifier: Apache-2.0

package catalog

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
	return p.typeName(oid)
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

func (p *printer) identifier(name string) { p.buf = appendIdentifier(p.buf, name, p.Major) }

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
	return p.typeName(oid)
}

// standardNames are types that have a name of the SQL standard's.
var standardNames = map[uint32]string{
	16: "boolean", 20: "bigint", 21: "smallint", 23: "integer", 114: "json", 700: "real", 701: "double precision",
	1042: "character", 1043: "character varying", 1083: "time without time zone", 1114: "timestamp without time zone",
	1184: "timestamp with time zone", 1186: "interval", 1266: "time with time zone", 1560: "bit", 1562: "bit varying",
	1700: "numeric",
}

// arrayOutput is the OID of array_out, which all arrays have but int2vector and oidvector.
const arrayOutput = 751

// typeName writes a type's name (format_type_extended in src/backend/utils/adt/format_type.c).
func (p *printer) typeName(oid uint32) error {
	t, err := p.Names.Type(oid)
	if err != nil {
		return err
	}
	if t == nil {
		p.str("???")
		return nil
	}
	end := ""
	if t.Element != 0 && t.OutputFunc == arrayOutput {
		element, err := p.Names.Type(t.Element)
		if err != nil {
			return err
		}
		if element == nil {
			p.str("???[]")
			return nil
		}
		t, end = element, "[]"
	}
	if name := standardNames[t.OID]; name != "" {
		p.str(name)
	} else {
		p.qualified(&Object{Name: t.Name, Schema: t.Schema}, t.Visible)
	}
	p.str(end)
	return nil
}
