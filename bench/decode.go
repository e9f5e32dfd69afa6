// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/walmirror/walmirror/bench/pgserver"
)

// mixSQL writes records of the resource managers that makeBacklog's load leaves out.
const mixSQL = `DROP TABLE IF EXISTS mixed;
	CREATE TABLE mixed (id bigserial PRIMARY KEY, words tsvector, place point, a int);
	CREATE INDEX ON mixed USING gin (words); CREATE INDEX ON mixed USING gist (place);
	CREATE INDEX ON mixed USING spgist (place); CREATE INDEX ON mixed USING hash (a); CREATE INDEX ON mixed USING brin (id);
	INSERT INTO mixed (words, place, a) SELECT to_tsvector('simple', md5(i::text) || ' ' || i % 100), point(i % 300, i / 300), i
		FROM generate_series(1, 30000) i;
	UPDATE mixed SET a = a + 1 WHERE id % 5 = 0; DELETE FROM mixed WHERE id % 7 = 0`

// decode measures how fast log is decoded, to statistics and to text.
func decode(ctx context.Context, b *bench) (report, error) {
	log, err := makeMixed(ctx, b)
	if err != nil {
		return report{}, err
	}
	defer log.server.Close()
	cases := []struct {
		figure
		procs int
		args  []string
	}{
		{figure{What: "--stats, one processor", Unit: "s"}, 1, []string{"--stats"}},
		{figure{What: "--stats, two processors", Unit: "s"}, 2, []string{"--stats"}},
		{figure{What: "text, one processor", Unit: "s"}, 1, nil},
		{figure{What: "text, two processors", Unit: "s"}, 2, nil},
	}
	if err := log.sameStats(ctx, b); err != nil {
		return report{}, err
	}
	for range b.runs {
		for i := range cases {
			c := &cases[i]
			theirs, err := log.dump(ctx, log.server.Tool("pg_waldump"), c.procs, c.args)
			if err != nil {
				return report{}, err
			}
			ours, err := log.dump(ctx, b.program("waldump"), c.procs, c.args)
			if err != nil {
				return report{}, err
			}
			c.add(theirs.wall.Seconds(), ours.wall.Seconds())
		}
	}
	r := report{Subject: fmt.Sprintf("%.2f GiB of mixed WAL of PostgreSQL %d, read from memory; "+
		"pg_waldump always has one processor", float64(log.end-log.start)/(1<<30), log.server.Major)}
	for _, c := range cases {
		r.Figures = append(r.Figures, c.figure)
	}
	return r, nil
}

// makeMixed is makeBacklog with records of more kinds; the server is stopped afterwards.
func makeMixed(ctx context.Context, b *bench) (*backlog, error) {
	log, err := makeBacklog(ctx, b)
	if err != nil {
		return nil, err
	}
	for target := log.end.Add(int(b.size / 4)); log.end < target && err == nil; {
		if _, err = log.server.Query(ctx, mixSQL); err == nil {
			log.end, err = queryLSN(ctx, log.server, "SELECT pg_current_wal_flush_lsn()")
		}
	}
	if err == nil {
		err = log.server.Stop(pgserver.Fast)
	}
	if err != nil {
		return nil, errors.Join(err, log.server.Close())
	}
	return log, nil
}

func (log *backlog) dumpArgs(args []string) []string {
	wal := filepath.Join(log.server.DataDir, "pg_wal")
	return append([]string{"-p", wal, "-s", log.start.String(), "-e", log.end.String()}, args...)
}

// dump runs a program with its text thrown away.
func (log *backlog) dump(ctx context.Context, program string, procs int, args []string) (usage, error) {
	cmd := exec.CommandContext(ctx, program, log.dumpArgs(args)...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", procs))
	return measureCommand(cmd, nil)
}

// sameStats makes sure that both programs count the same. It brings the log into memory, too.
func (log *backlog) sameStats(ctx context.Context, b *bench) error {
	var texts [2][]byte
	for i, program := range []string{log.server.Tool("pg_waldump"), b.program("waldump")} {
		cmd := exec.CommandContext(ctx, program, log.dumpArgs([]string{"--stats=record"})...)
		var text bytes.Buffer
		if _, err := measureCommand(cmd, &text); err != nil {
			return err
		}
		texts[i] = text.Bytes()
	}
	if !bytes.Equal(texts[0], texts[1]) {
		return fmt.Errorf("statistics differ:\n%s\n%s", texts[0], texts[1])
	}
	return nil
}
