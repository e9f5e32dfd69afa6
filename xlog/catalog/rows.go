// SPDX-License-Identifier: Apache-2.0

package catalog

import "time"

// DatabaseRow is a row of pg_database (src/include/catalog/pg_database.h).
type DatabaseRow struct {
	OID            uint32
	DatName        string
	DatDBA         uint32
	Encoding       int32
	DatLocProvider byte // from 15 on
	DatIsTemplate  bool
	DatAllowConn   bool
	DatHasLoginEvt bool  // from 17 on
	DatConnLimit   int32 // -2: a database whose DROP was interrupted
	DatFrozenXID   uint32
	DatMinMXID     uint32
	DatTablespace  uint32
	DatCollate     string
	DatCType       string
	DatCollVersion *string // from 15 on
	DatACL         *string // as text
}

// Catalog implements Struct.
func (DatabaseRow) Catalog() string { return "pg_database" }

// ClassRow is a row of pg_class (src/include/catalog/pg_class.h).
type ClassRow struct {
	OID                 uint32
	RelName             string
	RelNamespace        uint32
	RelType             uint32
	RelOfType           uint32
	RelOwner            uint32
	RelAM               uint32
	RelFileNode         uint32 // 0 when the file is in a map, see RelationInfo
	RelTablespace       uint32
	RelPages            int32
	RelTuples           float32
	RelAllVisible       int32
	RelAllFrozen        int32 // from 18 on
	RelToastRelID       uint32
	RelHasIndex         bool
	RelIsShared         bool
	RelPersistence      byte
	RelKind             byte
	RelNatts            int16
	RelChecks           int16
	RelHasRules         bool
	RelHasTriggers      bool
	RelHasSubclass      bool
	RelRowSecurity      bool
	RelForceRowSecurity bool
	RelIsPopulated      bool
	RelReplIdent        byte
	RelIsPartition      bool
	RelRewrite          uint32
	RelFrozenXID        uint32
	RelMinMXID          uint32
	RelACL              *string // as text
	RelOptions          *string // as text
	RelPartBound        *string
}

// Catalog implements Struct.
func (ClassRow) Catalog() string { return "pg_class" }

// AttributeRow is a row of pg_attribute (src/include/catalog/pg_attribute.h). Integers that have another width in some
// versions have the wider one here.
type AttributeRow struct {
	AttRelID       uint32
	AttName        string
	AttTypID       uint32
	AttLen         int16
	AttNum         int16
	AttTypMod      int32
	AttByVal       bool
	AttAlign       byte
	AttStorage     byte
	AttCompression byte // from 14 on
	AttNotNull     bool
	AttHasDef      bool
	AttHasMissing  bool
	AttIdentity    byte
	AttGenerated   byte
	AttIsDropped   bool
	AttIsLocal     bool
	AttNDims       int32
	AttInhCount    int32
	AttStatTarget  *int32
	AttCollation   uint32
	AttACL         *string // as text
	AttOptions     *string // as text
	AttFDWOptions  *string // as text
	AttMissingVal  *string // as text
}

// Catalog implements Struct.
func (AttributeRow) Catalog() string { return "pg_attribute" }

// AuthIDRow is a row of pg_authid (src/include/catalog/pg_authid.h).
type AuthIDRow struct {
	OID            uint32
	RolName        string
	RolSuper       bool
	RolInherit     bool
	RolCreateRole  bool
	RolCreateDB    bool
	RolCanLogin    bool
	RolReplication bool
	RolBypassRLS   bool
	RolConnLimit   int32
	RolPassword    *string
	RolValidUntil  *time.Time
}

// Catalog implements Struct.
func (AuthIDRow) Catalog() string { return "pg_authid" }

// NamespaceRow is a row of pg_namespace (src/include/catalog/pg_namespace.h).
type NamespaceRow struct {
	OID      uint32
	NspName  string
	NspOwner uint32
	NspACL   *string // as text
}

// Catalog implements Struct.
func (NamespaceRow) Catalog() string { return "pg_namespace" }

// TablespaceRow is a row of pg_tablespace (src/include/catalog/pg_tablespace.h).
type TablespaceRow struct {
	OID        uint32
	SpcName    string
	SpcOwner   uint32
	SpcACL     *string // as text
	SpcOptions *string // as text
}

// Catalog implements Struct.
func (TablespaceRow) Catalog() string { return "pg_tablespace" }
