// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"fmt"
	"strings"
)

// Types of arguments that stand for several.
const (
	anyType    = 2276 // any one, with no type in common with others
	anyElement = 2283 // any one, which is that of the result too where that has it
)

// builtin is a function of this package.
type builtin struct {
	args     []uint32
	optional int
	variadic bool // the last argument comes any number of times
	result   uint32
	nulls    bool
	reads    []namedCatalog // catalogs that it looks things up in
	call     func(x *execution, args []Value) (Value, error)
}

// call analyzes a call of a function.
func (a *analyzer) call(s *scope, e *expr) (typed, error) {
	if e.qualifier != "" && e.qualifier != "pg_catalog" {
		return typed{}, a.noFunction(e, nil)
	}
	if aggregates[e.name] {
		return a.aggregate(s, e)
	}
	if e.call != nil {
		return typed{}, a.p.At(e.pos, errorf(codeTypeMismatch, "%s is not an aggregate function", e.name))
	}
	if rowFunctions[e.name] {
		return typed{}, a.p.At(e.pos, errorf(codeUnsupported, "%s is supported only in FROM by this server", e.name))
	}
	all, err := a.exprs(s, e.args)
	if err != nil {
		return typed{}, err
	}
	if e.name == "extract" && a.env.major() < 14 {
		old := *e
		old.name = "date_part"
		e = &old
	}
	if special := specialCalls[e.name]; special != nil {
		return special(a, e, all)
	}
	if f := a.env.Functions[e.name]; f != nil {
		return a.sessionCall(e, f, all)
	}
	for i := range builtins[e.name] {
		f := &builtins[e.name][i]
		if types, ok := f.fits(all); ok {
			return a.builtinCall(e, f, i, types, all)
		}
	}
	return typed{}, a.noFunction(e, all)
}

// noFunction is the error for a function that is not known.
func (a *analyzer) noFunction(e *expr, all []typed) error {
	name := e.name
	if e.qualifier != "" {
		name = e.qualifier + "." + name
	}
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = TypeName(t.oid)
	}
	err := errorf(codeUndefinedFunction, "function %s(%s) does not exist", name, strings.Join(names, ", "))
	err.Hint = "No function matches the given name and argument types. You might need to add explicit type casts."
	return a.p.At(e.pos, err)
}

// fits says whether a function takes arguments, and of which types they become.
func (f *builtin) fits(all []typed) ([]uint32, bool) {
	n := len(all)
	if n < len(f.args)-f.optional || n > len(f.args) && !f.variadic {
		return nil, false
	}
	made := make([]uint32, n)
	for i, t := range all {
		made[i] = f.args[min(i, len(f.args)-1)]
		if !goesAs(t, made[i]) {
			return nil, false
		}
		if made[i] == anyType || made[i] == anyElement {
			made[i] = t.oid
			if t.lit != nil {
				made[i] = Text
			}
		}
	}
	return made, true
}

// goesAs says whether an expression can be an argument of a type without a cast.
func goesAs(t typed, oid uint32) bool {
	if t.lit != nil || oid == anyType || oid == anyElement || t.oid == oid {
		return true
	}
	from, to := classOf(t.oid), classOf(oid)
	switch {
	case oid == AnyArray:
		return elements[t.oid] != 0 || from == classArray
	case isNumber(t.oid) && isNumber(oid):
		return rank(t.oid) <= rank(oid)
	case to == classOID:
		return from == classOID || from == classInt
	case to == classTime:
		return from == classTime || from == classDate
	}
	return from == to && from == classText
}

func (a *analyzer) builtinCall(e *expr, f *builtin, number int, types []uint32, all []typed) (typed, error) {
	result := f.result
	for i, oid := range types {
		if oid == AnyArray {
			oid = all[i].oid
		}
		var err error
		if all[i], err = a.convert(all[i], oid); err != nil {
			return typed{}, err
		}
		if f.result == anyElement && f.args[min(i, len(f.args)-1)] == anyElement {
			result = oid
		}
	}
	if f.reads != nil {
		if err := a.reads(f.reads); err != nil {
			return typed{}, err
		}
	}
	c := boundCall{key: fmt.Sprintf("%s %d %v", e.name, number, types), nulls: f.nulls, call: f.call}
	return a.collated(a.goCall(result, c, all...)), nil
}

func (a *analyzer) reads(catalogs []namedCatalog) error {
	if a.st.names == nil {
		a.st.names = &names{lookups: map[string]*lookup{}}
	}
	return a.needCatalogs(catalogs...)
}

// sessionCall is a call of a function that the session has.
func (a *analyzer) sessionCall(e *expr, f *Function, all []typed) (typed, error) {
	fit := builtin{args: f.Args, optional: f.Optional}
	if _, ok := fit.fits(all); !ok {
		return typed{}, a.noFunction(e, all)
	}
	for i := range all {
		var err error
		if all[i], err = a.convert(all[i], f.Args[i]); err != nil {
			return typed{}, err
		}
	}
	c := boundCall{key: "session " + e.name, nulls: f.Nulls}
	c.call = func(x *execution, args []Value) (Value, error) {
		if f.Volatile || len(args) > 0 {
			return f.Call(args)
		}
		return x.once(f)
	}
	t := of("", f.Result, all...)
	name := "pg"
	if f.Volatile {
		name = "pgvolatile"
	}
	t.sql = a.callSQL(name, c, all)
	return a.collated(t), nil
}

// specialCalls are functions of which types or evaluation are special.
var specialCalls map[string]func(a *analyzer, e *expr, all []typed) (typed, error)

func init() {
	specialCalls = map[string]func(a *analyzer, e *expr, all []typed) (typed, error){
		"coalesce": (*analyzer).coalesce, "greatest": (*analyzer).extreme, "least": (*analyzer).extreme,
		"nullif": (*analyzer).nullif,
	}
}

func (a *analyzer) coalesce(e *expr, all []typed) (typed, error) {
	if len(all) == 0 {
		return typed{}, a.noFunction(e, all)
	}
	oid, err := a.unify(all, "COALESCE", e.pos)
	if err != nil || len(all) == 1 {
		return all[0], err
	}
	return a.collated(of("coalesce("+joinSQL(all)+")", oid, all...)), nil
}

// extreme is greatest and least, which do not mind NULLs.
func (a *analyzer) extreme(e *expr, all []typed) (typed, error) {
	if len(all) == 0 {
		return typed{}, a.noFunction(e, all)
	}
	oid, err := a.unify(all, strings.ToUpper(e.name), e.pos)
	if err != nil {
		return typed{}, err
	}
	sign := map[string]int{"greatest": 1, "least": -1}[e.name]
	call := func(_ *execution, args []Value) (best Value, _ error) {
		for _, v := range args {
			if v != nil && (best == nil || compareValues(v, best, oid)*sign > 0) {
				best = v
			}
		}
		return best, nil
	}
	return a.collated(a.goCall(oid, boundCall{key: fmt.Sprintf("%s %d", e.name, oid), nulls: true, call: call}, all...)), nil
}

func (a *analyzer) nullif(e *expr, all []typed) (typed, error) {
	if len(all) != 2 {
		return typed{}, a.noFunction(e, all)
	}
	oid, err := a.unify(all, "NULLIF", e.pos)
	if err != nil {
		return typed{}, err
	}
	return a.collated(of("nullif("+joinSQL(all)+")", oid, all...)), nil
}

func joinSQL(all []typed) string {
	parts := make([]string, len(all))
	for i, t := range all {
		parts[i] = t.sql
	}
	return strings.Join(parts, ",")
}

// outputName is the name of a column that has no alias; strong says that it is not just that of a type
// (FigureColnameInternal in parse_target.c).
func (a *analyzer) outputName(e *expr) (name string, strong bool) {
	switch e.kind {
	case exprColumn, exprCall:
		if e.name == "extract" && a.env.major() < 14 {
			return "date_part", true
		}
		return e.name, true
	case exprElement:
		return a.outputName(e.args[0])
	case exprCast:
		if name, strong := a.outputName(e.args[0]); strong {
			return name, true
		}
		if oid, ok := typesByName[e.typ.name]; ok {
			return types[oid].name, false
		}
		return e.typ.name, false
	case exprCase:
		if e.otherwise != nil {
			if name, strong := a.outputName(e.otherwise); strong {
				return name, true
			}
		}
		return "case", false
	case exprBool:
		if a.env.major() < 15 { // it was a cast
			return "bool", false
		}
	case exprArray:
		return "array", true
	case exprExists:
		return "exists", true
	case exprQuery:
		return a.queryName(e.query)
	}
	return "?column?", false
}

func (a *analyzer) queryName(q *Query) (string, bool) {
	n := q.body
	for n.op != "" || n.inner != nil {
		if n.inner != nil {
			n = n.inner.body
		} else {
			n = n.left
		}
	}
	if n.values != nil {
		return "column1", true
	}
	if len(n.outputs) == 0 {
		return "?column?", false
	}
	if n.outputs[0].alias != "" {
		return n.outputs[0].alias, true
	}
	if n.outputs[0].expr.kind == exprStar {
		return "?column?", false
	}
	return a.outputName(n.outputs[0].expr)
}
