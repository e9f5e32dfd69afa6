// SPDX-License-Identifier: Apache-2.0

package walreceiver

import "fmt"

// BackupRequested tells that the server was asked to begin a base backup. It makes a checkpoint first, which takes
// minutes when it is spread.
type BackupRequested struct{ Label string }

// BackupStarted tells that files begin to come.
type BackupStarted struct {
	Start       Position // of the WAL that the backup needs
	Tablespaces []BackupTablespace
}

// BackupMappingUnused tells that the server has no tablespace where a mapping looks for it: most likely it is misspelt.
type BackupMappingUnused struct{ Mapping TablespaceMapping }

// BackupLinkSkipped tells of a tablespace that was made since the backup began. It comes into being when the log is
// replayed.
type BackupLinkSkipped struct{ Name, Target string }

// BackupEnded tells that all files are here and were checked.
type BackupEnded struct{ End Position } // of the WAL that the backup needs

// BackupSyncing tells that the WAL is here too, and what is left is to make everything durable.
type BackupSyncing struct{}

func (BackupRequested) event()     {}
func (BackupStarted) event()       {}
func (BackupMappingUnused) event() {}
func (BackupLinkSkipped) event()   {}
func (BackupEnded) event()         {}
func (BackupSyncing) event()       {}

func (e BackupRequested) String() string {
	return "asked for a base backup, waiting for the server's checkpoint"
}

func (e BackupStarted) String() string {
	return fmt.Sprintf("base backup started at %s on timeline %s, %d tablespaces besides the data directory",
		e.Start.LSN, e.Start.Timeline, len(e.Tablespaces))
}

func (e BackupMappingUnused) String() string {
	return fmt.Sprintf("no tablespace of the server is at %s, the mapping to %s is not used", e.Mapping.Old, e.Mapping.New)
}

func (e BackupLinkSkipped) String() string {
	return fmt.Sprintf("left out %s, a tablespace at %s made since the backup began", e.Name, e.Target)
}

func (e BackupEnded) String() string {
	return fmt.Sprintf("base backup ended at %s on timeline %s", e.End.LSN, e.End.Timeline)
}

func (e BackupSyncing) String() string { return "making the base backup durable" }
