// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/walmirror/walmirror/examples/internal/metrics"
	"github.com/walmirror/walmirror/walsender"
)

// Log writes an event of a sender to a log, at the level that an operator expects.
func Log(log *slog.Logger, e walsender.Event) {
	level, args := slog.LevelInfo, []any{"pid", e.PID}
	switch e.Kind {
	case walsender.EventCommand:
		level = slog.LevelDebug
	case walsender.EventRefused, walsender.EventFailed, walsender.EventAccept, walsender.EventInvalidated:
		level = slog.LevelWarn
	case walsender.EventPanic:
		level = slog.LevelError
	}
	if e.Remote != nil {
		args = append(args, "client", e.Remote.String())
	}
	for _, a := range [][2]string{{"user", e.User}, {"application_name", e.ApplicationName}, {"text", e.Text}} {
		if a[1] != "" {
			args = append(args, a[0], a[1])
		}
	}
	if e.Err != nil {
		args = append(args, "error", e.Err.Error())
	}
	log.Log(context.Background(), level, "client "+e.Kind.String(), args...)
}

// Reload reads host rules and users again at every SIGHUP until ctx ends, as pg_ctl reload has PostgreSQL do. Files that
// cannot be read change nothing. server may return nil while there is none.
func (f *Flags) Reload(ctx context.Context, log *slog.Logger, server func() *walsender.Server) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		hba, users, err := f.access()
		if err != nil {
			log.Error("host rules and users stay as they were", "error", err.Error())
		} else if s := server(); s != nil {
			s.SetAccess(hba, users)
			log.Info("host rules and users were read again")
		}
	}
}

// Metrics serves metrics at the address of --http until ctx ends; without one it returns at once. server may return nil
// while there is none.
func (f *Flags) Metrics(ctx context.Context, server func() *walsender.Server) error {
	if f.HTTP == "" {
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		s := server()
		if s == nil {
			http.Error(w, "the primary was not reached yet", http.StatusServiceUnavailable)
			return
		}
		metrics.Handler(s).ServeHTTP(w, r)
	})
	l, err := net.Listen("tcp", f.HTTP)
	if err != nil {
		return err
	}
	h := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { h.Close() })()
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
