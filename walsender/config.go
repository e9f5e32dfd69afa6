// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/walmirror/walmirror/walsender/syncrep"
)

// Config is what a Server is made of. Source and Listeners are needed; everything else has a default.
type Config struct {
	Source Source
	// Listeners are TCP or unix sockets; the Server closes them. On Linux those on a loopback address get a TCP congestion
	// control that does not pace.
	Listeners []net.Listener

	// TLS lets clients ask for TLS; nil refuses it. With ClientCAs clients may show a certificate, which HBA rules ask for.
	TLS *tls.Config
	// HBA says who may come in, and how. Nil lets clients of this machine in without a password, and nobody else; with
	// Users it lets in everybody who has a password.
	HBA *HBA
	// Users are those who have a password.
	Users *Users
	// AuthDelay is how long a client waits for the news that it is not let in; 0 is half a second.
	AuthDelay time.Duration
	// Slots are the replication slots; nil: there are only temporary ones. The embedder closes them after Run.
	Slots *Slots
	// Retention says how much of the log is kept for clients; see Server.Retain.
	Retention Retention
	// ChunkSize is how many bytes of log a message has at most; 0 is 128 KiB, as PostgreSQL's, and 248 KiB to a client that is
	// more than a MiB behind.
	ChunkSize int
	// Catalogs lets SQL read the catalogs of the databases whose log this is; nil: there are only statistics.
	Catalogs Catalogs
	// Superusers are the users who may read what only superusers of PostgreSQL may: passwords, connection strings and data
	// in catalogs. There are none otherwise, whatever the catalogs say of a role.
	Superusers []string
	// WALReceiver says how the log comes in, for pg_stat_wal_receiver; nil, or false: it does not.
	WALReceiver func() (WALReceiverStat, bool)
	// Sync lets the embedder's commits wait for standbys; nil: all are asynchronous. Whether the log is written here or comes
	// from another server makes no difference, other than in PostgreSQL, where nobody waits for a cascade.
	Sync *syncrep.Sync
	// OnFeedback is called when Server.Feedback may have changed. It should not take long.
	OnFeedback func()
	// OnEvent is called for what is worth a line in a log, by several goroutines. It should not take long.
	OnEvent func(Event)

	MaxConnections int           // sessions at a time; 0 is 100
	MaxQueries     int           // SQL queries that run at a time, others wait; 0 is 4
	QueryMemory    int64         // bytes that a query may hold, and twice that with what its running takes; 0 is 128 MiB
	QueryTimeout   time.Duration // the longest that a query may take, whatever statement_timeout says; 0 is a minute
	StartupTimeout time.Duration // from accepting a connection to the end of authentication; 0 is a minute
	SenderTimeout  time.Duration // wal_sender_timeout: a client silent for so long is gone; 0 is a minute, below 0 never
	StopTimeout    time.Duration // how long a graceful stop waits for clients to flush what they were sent; 0 is a minute
}

// Defaults are PostgreSQL's: max_connections, authentication_timeout, wal_sender_timeout.
const (
	defaultMaxConnections = 100
	defaultMaxQueries     = 4
	minChunkSize          = 64 << 10 // more than the largest page
	maxChunkSize          = 1 << 20  // clients have limits
	defaultTimeout        = time.Minute
	defaultAuthDelay      = 500 * time.Millisecond
)

// withDefaults checks the configuration and fills in what is not given.
func (c Config) withDefaults() (Config, error) {
	if c.Source == nil {
		return c, errors.New("walsender: no source")
	}
	if len(c.Listeners) == 0 {
		return c, errors.New("walsender: no listener")
	}
	if c.MaxConnections <= 0 {
		c.MaxConnections = defaultMaxConnections
	}
	c, err := c.streamDefaults()
	if err != nil {
		return c, err
	}
	if c.AuthDelay <= 0 {
		c.AuthDelay = defaultAuthDelay
	}
	for _, d := range []*time.Duration{&c.StartupTimeout, &c.SenderTimeout, &c.StopTimeout, &c.QueryTimeout} {
		if *d == 0 {
			*d = defaultTimeout
		}
	}
	return c, nil
}

// streamDefaults is withDefaults of what streaming needs.
func (c Config) streamDefaults() (Config, error) {
	if err := c.Source.Identity().SegmentSize.Validate(); err != nil {
		return c, err
	}
	if c.Slots == nil {
		slots, err := NewSlots(SlotsConfig{})
		if err != nil {
			return c, err
		}
		c.Slots = slots
	}
	if c.MaxQueries <= 0 {
		c.MaxQueries = defaultMaxQueries
	}
	if c.ChunkSize != 0 {
		c.ChunkSize = min(max(c.ChunkSize, minChunkSize), maxChunkSize)
	}
	return c, nil
}
