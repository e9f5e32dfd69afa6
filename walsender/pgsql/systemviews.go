// SPDX-License-Identifier: Apache-2.0

package pgsql

// systemViews are views over catalogs (system_views.sql), as queries that are answered here.
var systemViews = map[string]string{
	"pg_roles": `SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolconnlimit,
		'********'::text AS rolpassword, rolvaliduntil, rolbypassrls, setconfig AS rolconfig, r.oid
		FROM pg_authid r LEFT JOIN pg_db_role_setting s ON r.oid = s.setrole AND s.setdatabase = 0`,
	"pg_user": `SELECT rolname AS usename, r.oid AS usesysid, rolcreatedb AS usecreatedb, rolsuper AS usesuper,
		rolreplication AS userepl, rolbypassrls AS usebypassrls, '********'::text AS passwd, rolvaliduntil AS valuntil,
		setconfig AS useconfig FROM pg_authid r LEFT JOIN pg_db_role_setting s ON r.oid = s.setrole AND s.setdatabase = 0
		WHERE rolcanlogin`,
	"pg_tables": `SELECT n.nspname AS schemaname, c.relname AS tablename, pg_get_userbyid(c.relowner) AS tableowner,
		t.spcname AS tablespace, c.relhasindex AS hasindexes, c.relhasrules AS hasrules, c.relhastriggers AS hastriggers,
		c.relrowsecurity AS rowsecurity FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE c.relkind IN ('r', 'p')`,
}

// systemView is the text of a view; ok is false when there is none of that name.
func systemView(schema, name string) (text string, ok bool) {
	if schema != "" && schema != "pg_catalog" {
		return "", false
	}
	text, ok = systemViews[name]
	return text, ok
}
