// SPDX-License-Identifier: Apache-2.0

package catalog

import "time"

// SegmentConfiguration is a row of gp_segment_configuration: an instance of a Greenplum or Cloudberry cluster.
type SegmentConfiguration struct {
	DBID          int16
	Content       int16 // -1 of the coordinator and its standby
	Role          byte  // 'p' primary, 'm' mirror
	PreferredRole byte  `catalog:"preferred_role"`
	Mode          byte  // 's' in sync, 'n' not; of the coordinator and its standby it says nothing
	Status        byte  // 'u' up, 'd' down
	Port          int32
	Hostname      string
	Address       string
	DataDir       string
	WarehouseID   uint32 // later Cloudberry only
}

// Catalog implements Struct.
func (SegmentConfiguration) Catalog() string { return "gp_segment_configuration" }

// ConfigurationHistory is a row of gp_configuration_history: a change in the state of a segment.
type ConfigurationHistory struct {
	Time        time.Time
	DBID        int16
	Description string `catalog:"desc"`
}

// Catalog implements Struct.
func (ConfigurationHistory) Catalog() string { return "gp_configuration_history" }
