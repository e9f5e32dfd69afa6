// SPDX-License-Identifier: Apache-2.0

package pgsql

import (
	"context"
	"errors"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Engine has what runs statements: some instances of SQLite, each with memory of its own, in which there is no table.
// They see relations through pgrows, and compute through pg. It is safe for concurrent use.
type Engine struct {
	tokens chan struct{}    // a token for each statement that may run
	idle   chan *connection // instances that nobody uses
}

// NewEngine makes an Engine that runs n statements at a time; more of them wait.
func NewEngine(n int) *Engine {
	return &Engine{tokens: make(chan struct{}, n), idle: make(chan *connection, n)}
}

// Close ends what is idle. No statement must run.
func (e *Engine) Close() error {
	var err error
	for {
		select {
		case c := <-e.idle:
			err = errors.Join(err, c.db.Close())
		default:
			return err
		}
	}
}

// take waits for an instance.
func (e *Engine) take(ctx context.Context) (*connection, error) {
	select {
	case e.tokens <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case c := <-e.idle:
		return c, nil
	default:
	}
	c, err := connect()
	if err != nil {
		<-e.tokens
		return nil, errorf(codeInternal, "%s", err)
	}
	return c, nil
}

// give returns an instance; one that had an error ends, as it may have taken much memory.
func (e *Engine) give(c *connection, sound bool) {
	if sound {
		e.idle <- c
	} else {
		c.close()
	}
	<-e.tokens
}

// connection is an instance of SQLite.
type connection struct {
	db *sqlite3.Conn
	x  *execution // that runs now
}

// Limits of an instance of SQLite.
const (
	rowLimit = 16 << 20 // bytes of a value
)

// connect makes an instance. What is not needed is forbidden to it: it has no file, and its authorizer lets it do nothing
// but read.
func connect() (*connection, error) {
	db, err := sqlite3.OpenFlags(":memory:", sqlite3.OPEN_READWRITE|sqlite3.OPEN_MEMORY)
	if err != nil {
		return nil, err
	}
	c := &connection{db: db}
	if err := c.prepare(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return c, nil
}

func (c *connection) prepare() error {
	for limit, value := range map[sqlite3.LimitCategory]int{
		sqlite3.LIMIT_ATTACHED: 0, sqlite3.LIMIT_LENGTH: rowLimit, sqlite3.LIMIT_SQL_LENGTH: 2 * maxSQL,
		sqlite3.LIMIT_TRIGGER_DEPTH: 0, sqlite3.LIMIT_WORKER_THREADS: 0, sqlite3.LIMIT_VARIABLE_NUMBER: maxParameters,
	} {
		c.db.Limit(limit, value)
	}
	for _, name := range []string{"pg", "pgvolatile"} {
		var flags sqlite3.FunctionFlag
		if name == "pg" {
			flags = sqlite3.DETERMINISTIC
		}
		if err := c.db.CreateFunction(name, -1, flags, c.function); err != nil {
			return err
		}
	}
	numeric := func(a, b []byte) int { return compareDecimals(string(a), string(b)) }
	return errors.Join(
		c.db.Exec("PRAGMA temp_store = 2"), // in memory
		c.db.CreateCollation("pgnumeric", numeric),
		c.createModules(),
		c.db.SetAuthorizer(authorize),
	)
}

// authorize lets queries read; nothing else is let through.
func authorize(action sqlite3.AuthorizerActionCode, name3rd, name4th, schema, inner string) sqlite3.AuthorizerReturnCode {
	switch action {
	case sqlite3.AUTH_SELECT, sqlite3.AUTH_READ:
		return sqlite3.AUTH_OK
	case sqlite3.AUTH_FUNCTION:
		if sqliteFunctions[name4th] {
			return sqlite3.AUTH_OK
		}
	}
	return sqlite3.AUTH_DENY
}

// sqliteFunctions are those that translated queries call.
var sqliteFunctions = words(`pg pgvolatile coalesce nullif count min max sum group_concat json_group_array`)

// function calls a Go function of the statement that runs; the first argument is its number.
func (c *connection) function(ctx sqlite3.Context, args ...sqlite3.Value) {
	values := make([]Value, len(args)-1)
	for i, arg := range args[1:] {
		values[i] = valueOf(arg)
	}
	v, err := c.x.call(int(args[0].Int64()), values)
	if err != nil {
		ctx.ResultError(err)
		return
	}
	setResult(ctx, v)
}

func valueOf(v sqlite3.Value) Value {
	switch v.Type() {
	case sqlite3.INTEGER:
		return v.Int64()
	case sqlite3.FLOAT:
		return v.Float()
	case sqlite3.TEXT, sqlite3.BLOB:
		return v.Text()
	}
	return nil
}

func setResult(ctx sqlite3.Context, v Value) {
	switch v := v.(type) {
	case int64:
		ctx.ResultInt64(v)
	case float64:
		ctx.ResultFloat(v)
	case string:
		ctx.ResultText(v)
	default:
		ctx.ResultNull()
	}
}

// close ends an instance, in whatever state it is: its memory is its own, and goes.
func (c *connection) close() {
	defer func() { recover() }()
	c.db.Close()
}

// run runs a statement of which the relations are loaded. When memory runs out the binding panics; it is an error here.
func (c *connection) run(x *execution, args []Value) (rows [][]Value, err error) {
	c.x = x
	defer func() {
		c.x = nil
		if r := recover(); r != nil {
			if rows, err = nil, panicError(r); err == nil {
				panic(r)
			}
		}
	}()
	c.db.HardHeapLimit(x.st.env.memory())
	old := c.db.SetInterrupt(x.ctx)
	defer c.db.SetInterrupt(old)
	stmt, _, err := c.db.Prepare(x.st.sql)
	if err != nil {
		return nil, sqliteError(err)
	}
	defer stmt.Close()
	if err := bind(stmt, args); err != nil {
		return nil, sqliteError(err)
	}
	for stmt.Step() {
		row := make([]Value, len(x.st.Columns))
		for i := range row {
			row[i] = columnOf(stmt, i)
		}
		rows = append(rows, row)
		if err := x.hold(row); err != nil {
			return nil, err
		}
	}
	if err := stmt.Err(); err != nil {
		return nil, sqliteError(err)
	}
	x.finish(rows)
	return rows, nil
}

func bind(stmt *sqlite3.Stmt, args []Value) error {
	for i, v := range args[:min(len(args), stmt.BindCount())] {
		var err error
		switch v := v.(type) {
		case int64:
			err = stmt.BindInt64(i+1, v)
		case float64:
			err = stmt.BindFloat(i+1, v)
		case string:
			err = stmt.BindText(i+1, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func columnOf(stmt *sqlite3.Stmt, i int) Value {
	switch stmt.ColumnType(i) {
	case sqlite3.INTEGER:
		return stmt.ColumnInt64(i)
	case sqlite3.FLOAT:
		return stmt.ColumnFloat(i)
	case sqlite3.TEXT, sqlite3.BLOB:
		return stmt.ColumnText(i)
	}
	return nil
}

// panicError is the error that a panic of the binding stands for, nil when it is another one.
func panicError(r any) error {
	if err, ok := r.(error); ok && strings.Contains(err.Error(), "out of memory") {
		return errorf(codeOutOfMemory, "out of memory")
	}
	return nil
}

// sqliteError is what a client is told of an error of SQLite.
func sqliteError(err error) error {
	switch {
	case errors.Is(err, sqlite3.NOMEM), errors.Is(err, sqlite3.FULL):
		return errorf(codeOutOfMemory, "out of memory")
	case errors.Is(err, sqlite3.TOOBIG):
		return errorf(codeTooMuch, "a value or the statement is too long")
	}
	return errorf(codeInternal, "the query cannot be run: %s", err)
}
