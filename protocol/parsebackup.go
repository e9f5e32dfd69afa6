// SPDX-License-Identifier: Apache-2.0

package protocol

import "strings"

// Limits of MAX_RATE, KiB/s (src/include/backup/basebackup.h).
const (
	minRate = 32
	maxRate = 1048576
)

func parseBaseBackup(p *parser) (Command, error) {
	var cmd BaseBackup
	if p.server.optionLists() {
		open, err := p.acceptChar("(")
		if err != nil {
			return nil, err
		}
		if open {
			options, err := parseList(p, parseOption)
			if err != nil {
				return nil, err
			}
			err = cmd.apply(p.server, options)
			return cmd, err
		}
		if p.server.Version != 0 {
			return cmd, nil
		}
	}
	options, err := parseBackupWords(p)
	if err != nil {
		return nil, err
	}
	err = cmd.apply(p.server, cmd.takeExclude(options))
	return cmd, err
}

// backupWords are the options of BASE_BACKUP up to version 14, what they mean in a list, and the kind of value that
// follows them.
var backupWords = map[string]struct {
	option
	takes tokenKind
}{
	"LABEL":              {option{name: "label"}, tokenString},
	"PROGRESS":           {option{name: "progress"}, tokenEnd},
	"FAST":               {option{"checkpoint", token{kind: tokenString, text: "fast"}}, tokenEnd},
	"WAL":                {option{name: "wal"}, tokenEnd},
	"NOWAIT":             {option{"wait", token{kind: tokenNumber}}, tokenEnd},
	"MAX_RATE":           {option{name: "max_rate"}, tokenNumber},
	"TABLESPACE_MAP":     {option{name: "tablespace_map"}, tokenEnd},
	"NOVERIFY_CHECKSUMS": {option{"verify_checksums", token{kind: tokenNumber}}, tokenEnd},
	"MANIFEST":           {option{name: "manifest"}, tokenString},
	"MANIFEST_CHECKSUMS": {option{name: "manifest_checksums"}, tokenString},
	"EXCLUDE":            {option{name: "exclude"}, tokenString},
}

// parseBackupWords reads options as words. They are keywords to the servers that know them.
func parseBackupWords(p *parser) ([]option, error) {
	var options []option
	for {
		word, ok := backupWords[p.backupWord()]
		if !ok {
			return options, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		o := word.option
		if word.takes != tokenEnd {
			value, err := p.expect(word.takes)
			if err != nil {
				return nil, err
			}
			o.value = value
		}
		options = append(options, o)
	}
}

// backupWord is the current token as a word: a keyword, or, when any server is meant, an identifier written like one.
func (p *parser) backupWord() string {
	switch {
	case p.tok.kind == tokenKeyword:
		return p.tok.text
	case p.tok.kind == tokenIdent && p.server.Version == 0:
		return p.tok.raw
	}
	return ""
}

// takeExclude stores EXCLUDE, the one option that may be given more than once, and returns the others.
func (c *BaseBackup) takeExclude(words []option) []option {
	var rest []option
	for _, o := range words {
		if o.name == "exclude" {
			c.Exclude = append(c.Exclude, o.value.text)
		} else {
			rest = append(rest, o)
		}
	}
	return rest
}

func (c *BaseBackup) apply(s Server, options []option) error {
	if err := apply(options, c.setters(s)); err != nil {
		return err
	}
	switch {
	case c.Manifest == ManifestNo && c.ManifestChecksums != "":
		return syntaxError("manifest checksums require a backup manifest")
	case c.Target == "" && c.TargetDetail != "":
		return syntaxError("target detail cannot be used without target")
	case c.Compression == "" && c.CompressionDetail != "":
		return syntaxError("compression detail cannot be used without compression")
	}
	return nil
}

func (c *BaseBackup) setters(s Server) map[string]optionSetter {
	setters := map[string]optionSetter{
		"label":              setText(&c.Label),
		"progress":           setBool(&c.Progress),
		"checkpoint":         c.setCheckpoint,
		"wal":                setBool(&c.WAL),
		"wait":               setNot(&c.NoWait),
		"max_rate":           c.setMaxRate,
		"tablespace_map":     setBool(&c.TablespaceMap),
		"verify_checksums":   setNot(&c.NoVerifyChecksums),
		"manifest":           c.setManifest,
		"manifest_checksums": setText(&c.ManifestChecksums),
		"target":             setText(&c.Target),
		"target_detail":      setText(&c.TargetDetail),
		"compression":        setText(&c.Compression),
		"compression_detail": setText(&c.CompressionDetail),
	}
	if s.atLeast(17) {
		setters["incremental"] = setBool(&c.Incremental)
	}
	return setters
}

func (c *BaseBackup) setCheckpoint(o option) error {
	mode, err := o.text()
	switch {
	case err != nil:
		return err
	case strings.EqualFold(mode, "fast"):
		c.FastCheckpoint = true
	case !strings.EqualFold(mode, "spread"):
		return syntaxError("unrecognized checkpoint type: " + mode)
	}
	return nil
}

func (c *BaseBackup) setMaxRate(o option) error {
	rate, err := o.number()
	if err == nil && (rate < minRate || rate > maxRate) {
		err = optionError(codeValueOutOfRange, "MAX_RATE %d is outside the range from %d to %d", rate, minRate, maxRate)
	}
	c.MaxRate = rate
	return err
}

func (c *BaseBackup) setManifest(o option) error {
	mode, err := o.text()
	if err != nil {
		return err
	}
	if strings.EqualFold(mode, string(ManifestForceEncode)) {
		c.Manifest = ManifestForceEncode
		return nil
	}
	yes, ok := parseBool(mode)
	if !ok {
		return syntaxError("unrecognized manifest option: " + mode)
	}
	if yes {
		c.Manifest = ManifestYes
	}
	return nil
}

// parseBool reads what parse_bool takes: 0, 1, on, off, of, and true, false, yes, no or a beginning of one of these.
func parseBool(s string) (value, ok bool) {
	s = lowerASCII(s)
	switch {
	case s == "":
		return false, false
	case strings.HasPrefix("true", s), strings.HasPrefix("yes", s), s == "on", s == "1":
		return true, true
	case strings.HasPrefix("false", s), strings.HasPrefix("no", s), s == "off", s == "of", s == "0":
		return false, true
	}
	return false, false
}
