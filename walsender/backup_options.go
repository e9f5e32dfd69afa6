// SPDX-License-Identifier: Apache-2.0

package walsender

import (
	"strings"

	"github.com/walmirror/walmirror/protocol"
)

// backupOptions is what a BASE_BACKUP asks for, checked (parse_basebackup_options in src/backend/backup/basebackup.c).
type backupOptions struct {
	protocol.BaseBackup
	framed      bool // 15 and later: one COPY for everything
	discard     bool // the target is blackhole: nothing but the frame is sent
	compression compression
	checksum    string // of the files in the manifest
}

const (
	defaultBackupLabel = "base backup"
	maxPath            = 1024 // MAXPGPATH
)

// incrementalError is what a server says that does not summarize WAL.
func incrementalError() error {
	return errorf(codeNotInPrerequisiteState,
		"incremental backups cannot be taken unless WAL summarization is enabled")
}

func newBackupOptions(cmd protocol.BaseBackup, framed bool) (o backupOptions, err error) {
	o.BaseBackup, o.framed = cmd, framed
	if cmd.Incremental {
		return o, incrementalError()
	}
	if err := o.checkLabel(); err != nil {
		return o, err
	}
	if err := o.checkTarget(); err != nil {
		return o, err
	}
	if o.checksum, err = checksumName(cmd.ManifestChecksums); err != nil {
		return o, err
	}
	o.compression, err = parseCompression(cmd.Compression, cmd.CompressionDetail)
	return o, err
}

// checkLabel refuses a label that would not be one line of backup_label.
func (o *backupOptions) checkLabel() error {
	switch {
	case o.Label == "":
		o.Label = defaultBackupLabel
	case len(o.Label) > maxPath:
		return errorf(codeInvalidParameterValue, "backup label too long (max %d bytes)", maxPath)
	case strings.ContainsAny(o.Label, "\r\n"):
		return errorf(codeInvalidParameterValue, "backup label must not contain a newline")
	}
	return nil
}

func (o *backupOptions) checkTarget() error {
	switch o.Target {
	case "":
		return nil
	case "client", "blackhole":
		if o.TargetDetail != "" {
			return errorf(codeSyntaxError, "target \"%s\" does not accept a target detail", o.Target)
		}
		o.discard = o.Target == "blackhole"
		return nil
	case "server":
		return errorf(codeFeatureNotSupported, "target \"server\" is not supported: backups are not stored here")
	}
	return errorf(codeFeatureNotSupported, "unrecognized target: \"%s\"", o.Target)
}
