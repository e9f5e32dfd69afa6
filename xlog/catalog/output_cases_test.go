// SPDX-License-Identifier: Apache-2.0

package catalog_test

// outputCase is a type and SQL expressions of values of it; those of a later version stand in a case of their own.
type outputCase struct {
	since  int // major version; 0 is all
	typ    string
	values []string
}

// outputSchema is made before the values are.
const outputSchema = `
	CREATE ROLE "odd role"; CREATE ROLE "a""b"; CREATE ROLE "Under_Score"; CREATE ROLE "7"; CREATE ROLE gone;
	CREATE SCHEMA hidden; CREATE SCHEMA "Odd.Schema";
	CREATE FUNCTION hidden.only() RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION hidden.twice(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION public.twice(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION public.over(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION public.over(text, int4[], "char") RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
	CREATE FUNCTION "Odd.Schema"."Odd Function"() RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE OPERATOR hidden.+ (LEFTARG = int4, RIGHTARG = int4, PROCEDURE = int4pl);
	CREATE OPERATOR public.<+> (LEFTARG = int4, RIGHTARG = int4, PROCEDURE = int4pl);
	CREATE OPERATOR "Odd.Schema".<-+-> (RIGHTARG = int4, PROCEDURE = int4um);
	CREATE TABLE public.pg_class (a int); CREATE TABLE hidden.secret (a int); CREATE TABLE public."Mixed" (a int);
	CREATE TABLE public.normalize (a int); CREATE TABLE public.json_table (a int); CREATE TABLE public."select" (a int);
	CREATE TABLE public.json_array (a int); CREATE TABLE public."ümlaut" (a int); CREATE TABLE public._1 (a int);
	CREATE COLLATION public."My C" (locale = 'C'); CREATE COLLATION hidden.c (locale = 'C');
	CREATE TEXT SEARCH CONFIGURATION hidden.english (COPY = pg_catalog.english);
	CREATE TEXT SEARCH DICTIONARY public.mine (TEMPLATE = simple);
	CREATE TYPE public.mood AS ENUM ('sad', 'so so', '', 'NULL', 'with "quotes"');
	CREATE TYPE hidden.mood AS ENUM ('x');
	CREATE TYPE public.pair AS (a int, b text);
	CREATE TYPE public.nested AS (p public.pair, list text[], j jsonb, m public.mood, c bytea);
	CREATE TYPE public.shrunk AS (a int, gone int, b text);
	ALTER TYPE public.shrunk DROP ATTRIBUTE gone; ALTER TYPE public.shrunk ADD ATTRIBUTE added int;
	CREATE DOMAIN public.positive AS int CHECK (VALUE > 0);
	CREATE DOMAIN public.words AS text[];
	CREATE DOMAIN public.dpair AS public.pair;
	CREATE TYPE public.trange AS RANGE (subtype = text);
	CREATE TYPE public.frange AS RANGE (subtype = float8);
	CREATE TYPE public.arange AS RANGE (subtype = int4[]);
	CREATE TABLE stats (a int, b int, c text);
	INSERT INTO stats SELECT i % 10, i % 5, 'v' || i % 20 FROM generate_series(1, 2000) i;
	CREATE STATISTICS stats_ab (ndistinct, dependencies, mcv) ON a, b, c FROM stats; ANALYZE stats;`

var outputCases = []outputCase{
	{typ: `bool`, values: []string{`true`, `false`, `NULL`}},
	{typ: `bytea`, values: []string{`''`, `'\x00ff5c27'`, `decode(repeat('ab', 5000), 'hex')`}},
	{typ: `"char"`, values: []string{`'a'`, `''`, `' '`, `'\'`, `'"'`}},
	{since: 16, typ: `"char"`, values: []string{`'\377'`, `'\200'`, `'\101'`}},
	{typ: `name`, values: []string{`'x'`, `''`, `repeat('n', 63)`, `'ü "q"'`}},
	{typ: `int2`, values: []string{`0`, `-32768`, `32767`}},
	{typ: `int4`, values: []string{`0`, `-2147483648`, `2147483647`}},
	{typ: `int8`, values: []string{`0`, `-9223372036854775808`, `9223372036854775807`}},
	{typ: `int2vector`, values: []string{`''`, `'1'`, `'1 -2 3'`}},
	{typ: `oidvector`, values: []string{`''`, `'1'`, `'1 4294967295 3'`}},
	{typ: `oid`, values: []string{`0`, `4294967295`}},
	{typ: `xid`, values: []string{`'0'`, `'4294967295'`}},
	{typ: `cid`, values: []string{`'0'`, `'4294967295'`}},
	{since: 13, typ: `xid8`, values: []string{`'0'`, `'18446744073709551615'`}},
	{typ: `tid`, values: []string{`'(0,0)'`, `'(4294967295,65535)'`, `'(66000,7)'`}},
	{typ: `pg_lsn`, values: []string{`'0/0'`, `'FFFFFFFF/FFFFFFFF'`, `'16/B374D848'`}},
	{typ: `uuid`, values: []string{`'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'`}},
	{typ: `macaddr`, values: []string{`'08:00:2b:01:02:ff'`}},
	{typ: `macaddr8`, values: []string{`'08:00:2b:01:02:03:04:0f'`}},
	{typ: `money`, values: []string{`'0'`, `'-0.05'`, `'1234567.89'`, `'-92233720368547758.08'`, `'100'`, `'1000'`}},
	{typ: `text`, values: []string{`''`, `'x'`, `repeat('short', 20)`, `repeat('compressed', 3000)`, `E'tab\there'`,
		`(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 500) i)`}},
	{typ: `varchar(10)`, values: []string{`'abc'`, `''`}},
	{typ: `char(6)`, values: []string{`'abc'`, `''`}},
	{typ: `json`, values: []string{`'{"a" :  [1,2]}'`}},
	{typ: `bit(9)`, values: []string{`B'101010101'`, `B'000000000'`}},
	{typ: `varbit`, values: []string{`B''`, `B'1'`, `B'10101010'`, `B'111111111'`}},

	{typ: `float4`, values: []string{`'NaN'`, `'Infinity'`, `'-Infinity'`, `'-0'`, `0`, `1`, `0.1`, `1e6`, `999999`,
		`1234567`,
		`1e-4`, `1e-5`, `'1e-45'`, `3.4028235e38`, `16777216`, `16777217`, `33554432`, `8388608.5`, `1.17549435e-38`,
		`-1.5`, `100000`}},
	{typ: `float8`, values: []string{`'NaN'`, `'Infinity'`, `'-Infinity'`, `'-0'`, `0`, `1`, `0.1`, `0.1 + 0.2::float8`,
		`1e23`, `2e23`, `1e22`,
		`'5e-324'`, `1.7976931348623157e308`, `2.2250738585072014e-308`, `1e15`, `1e14`, `999999999999999`,
		`123456789012345678`, `1e-4`,
		`1e-5`, `0.00012345`, `9007199254740992`, `9007199254740993`, `9007199254740994`, `-1234.5`, `100000`,
		`4503599627370496.5`, `8.5`}},

	{typ: `numeric`, values: []string{`0`, `'NaN'`, `1`, `-1`, `0.0`, `'0.000'`, `12345.6789`, `-0.00001`, `10000`,
		`100000000`, `99999999`,
		`'1e1000'`, `'1e-1000'`, `'-1.50'`, `'0.0001'`, `'0.00010000'`, `'1.00000000000000000000'`,
		`'123456789012345678901234567890.1234567890'`,
		`'1e131071'`, `'1e-16383'`, `9999.9999`, `10000.00001`}},
	{since: 14, typ: `numeric`, values: []string{`'Infinity'`, `'-Infinity'`}},
	{typ: `numeric(10,3)`, values: []string{`1`, `1234567.8905`, `-0.0005`}},

	{typ: `date`, values: []string{`'infinity'`, `'-infinity'`, `'2000-01-01'`, `'0001-01-01'`, `'0001-12-31 BC'`,
		`'4713-01-01 BC'`, `'5874897-12-31'`,
		`'1999-12-31'`, `'2024-02-29'`, `'10000-01-01'`}},
	{typ: `time`, values: []string{`'00:00'`, `'24:00:00'`, `'23:59:59.999999'`, `'01:02:03.5'`, `'12:00:00.000001'`}},
	{typ: `timetz`, values: []string{`'00:00+00'`, `'24:00:00-15:59:59'`, `'01:02:03.5+05:30'`, `'01:02:03+01:02:03'`,
		`'12:00-08'`}},
	{typ: `timestamp`, values: []string{`'infinity'`, `'-infinity'`, `'2000-01-01'`, `'4713-01-01 00:00:00 BC'`,
		`'294276-12-31 23:59:59.999999'`,
		`'1999-12-31 23:59:59.999999'`, `'0001-01-01 BC'`, `'1969-07-20 20:17:40.25'`}},
	{typ: `timestamptz`, values: []string{`'infinity'`, `'-infinity'`, `'2000-01-01 00:00+00'`,
		`'4713-01-01 00:00:00 BC'`,
		`'294276-12-31 23:59:59.999999'`, `'1999-12-31 23:59:59.999999'`, `'0044-03-15 12:00:00.5 BC'`, `'1800-01-01'`,
		`'2024-07-01 12:00'`}},
	{typ: `interval`, values: []string{`'0'`, `'1 day'`, `'-1 day'`, `'1 mon -1 day'`, `'-1 year 2 mons'`,
		`'-1 mon +1 day -00:00:01'`, `'-1 day +00:00:01'`,
		`'1 year'`, `'2 years 3 mons 4 days 05:06:07.8'`, `'100:00:00'`, `'-00:00:00.000001'`, `'11 mons'`,
		`'-13 mons'`, `'-178000000 years'`,
		`'2147483647 days'`, `'1 day 2147483647:00'`}},
	{since: 15, typ: `interval`, values: []string{`'1 day 2562047788:00'`}},
	{since: 17, typ: `interval`, values: []string{`'infinity'`, `'-infinity'`}},

	{typ: `inet`, values: []string{`'192.168.1.5'`, `'192.168.1.5/24'`, `'0.0.0.0/0'`, `'::1'`, `'::'`, `'::2'`,
		`'::1.2.3.4'`, `'::ffff:1.2.3.4'`, `'2001:db8::1/64'`,
		`'1:0:0:2:0:0:0:3'`, `'1:0:2:3:4:5:6:7'`, `'fe80::1:0:0:0/10'`, `'1::'`, `'::ffff:0:0'`, `'::1:0:0'`, `'::/0'`,
		`'::fffe:1.2.3.4'`,
		`'::1:2'`, `'::0:1/127'`}},
	{typ: `cidr`, values: []string{`'192.168.1.0/24'`, `'10.0.0.1/32'`, `'0.0.0.0/0'`, `'::/0'`, `'2001:db8::/32'`,
		`'::1/128'`}},

	{typ: `int4[]`, values: []string{`'{}'`, `'{1,2,NULL}'`, `'{{1,2},{3,4}}'`, `'[0:1]={1,2}'`,
		`'[-2:-1][5:6]={{1,2},{NULL,4}}'`,
		`'{{{1},{2}},{{3},{4}},{{5},{6}}}'`, `ARRAY(SELECT generate_series(1, 3000))`, `'{NULL}'`}},
	{typ: `text[]`, values: []string{`'{}'`,
		`ARRAY['', 'NULL', 'null', 'nuLl', NULL, 'a b', 'a,b', '{}', 'q"q', E'b\\s', E'\n', E'\v', 'ü', '''']`,
		`ARRAY[repeat('x', 200), repeat('y', 5000)]`, `ARRAY[['a', 'b'], ['c', NULL]]`, `ARRAY['nulls', 'a;b']`}},
	{typ: `bool[]`, values: []string{`'{t,f,NULL}'`}},
	{typ: `int8[]`, values: []string{`'{1,NULL,-9223372036854775808}'`}},
	{typ: `"char"[]`, values: []string{`'{a,NULL,b}'`, `ARRAY['', ' ', ',']::"char"[]`}},
	{typ: `name[]`, values: []string{`'{a,"b c"}'`}},
	{typ: `timestamptz[]`, values: []string{`'{infinity,2000-01-01,0044-03-15 BC}'`}},
	{typ: `numeric[]`, values: []string{`'{1,NaN,NULL,1.50}'`}},
	{typ: `bytea[]`, values: []string{`ARRAY['\x00'::bytea, '']`}},
	{typ: `box[]`, values: []string{`ARRAY[box '(1,2),(3,4)', NULL, box '(0,0),(1,1)']`}},
	{typ: `interval[]`, values: []string{`ARRAY[interval '1 day', '02:00']`}},
	{typ: `tid[]`, values: []string{`'{"(1,2)","(3,4)"}'`}},
	{typ: `aclitem[]`, values: []string{`NULL`, `'{}'`, `'{=r/postgres,"\"odd role\"=arw*/postgres"}'`}},
	{typ: `public.mood[]`, values: []string{`'{sad,"so so","","NULL",NULL}'`}},
	{typ: `public.pair[]`, values: []string{`ARRAY[(1, 'a"b')::public.pair, (NULL, '')::public.pair, NULL]`}},
	{typ: `public.words`, values: []string{`'{a,"b c"}'`}},

	{typ: `public.mood`, values: []string{`'sad'`, `'so so'`, `''`, `'NULL'`}},
	{typ: `public.positive`, values: []string{`7`}},
	{typ: `public.pair`, values: []string{`(1, 'a')`, `(NULL, NULL)`, `(NULL, '')`, `(1, 'a b')`, `(1, 'a"b')`,
		`(1, 'a\b')`, `(1, '(a,b)')`, `(-5, repeat('z', 6000))`,
		`(5, repeat('z', 200))`}},
	{typ: `public.dpair`, values: []string{`(1, 'a"b')::public.pair`}},
	{typ: `public.nested`, values: []string{
		`((1, 'a "b" \ c')::public.pair, ARRAY['x', 'y z', NULL], '{"k": [1, "v"]}', 'so so', '\x5c22')`,
		`(NULL, '{}', 'null', NULL, repeat('b', 4000)::bytea)`}},
	{typ: `public.shrunk`, values: []string{`(1, 'b', 2)`, `(NULL, NULL, NULL)`}},

	{typ: `int4range`, values: []string{`'empty'`, `'[1,5)'`, `'(,5)'`, `'[1,)'`, `'(,)'`, `NULL`}},
	{typ: `int8range`, values: []string{`'[1,5]'`}},
	{typ: `numrange`, values: []string{`'[1.5,2.50]'`, `'(-1,)'`, `'(0.00,1e100)'`}},
	{typ: `daterange`, values: []string{`'[2000-01-01,infinity)'`}},
	{typ: `tstzrange`, values: []string{`'[2000-01-01 00:00+00,2001-01-01 00:00+00]'`, `'(,infinity)'`}},
	{typ: `public.trange`, values: []string{`'["",b)'`, `'["a b","c\"d"]'`, `public.trange('(', ',')`,
		`public.trange(repeat('a', 300), repeat('b', 4000))`,
		`public.trange('a', repeat('b', 200))`, `public.trange('-', '\z')`}},
	{typ: `public.frange`, values: []string{`'[1e23,NaN)'`}},
	{typ: `public.arange`, values: []string{`public.arange('{1,2}', '{3}')`}},
	{typ: `int4range[]`, values: []string{`'{"[1,2)",empty}'`}},
	{since: 14, typ: `int4multirange`, values: []string{`'{}'`, `'{[1,2)}'`,
		`'{[1,2),[5,6),[9,10),[20,21),[30,31),[40,50),(60,)}'`, `'{(,)}'`}},
	{since: 14, typ: `nummultirange`, values: []string{`'{[1.5,2.5],(3,4),[5,6.000],[7,8],[9,10],[11,]}'`}},
	{since: 14, typ: `tstzmultirange`, values: []string{`'{[2000-01-01,2001-01-01),[2002-01-01,)}'`}},

	{typ: `jsonb`, values: []string{`'{}'`, `'[]'`, `'null'`, `'true'`, `'1.50'`, `'"s"'`, `'""'`,
		`'[1, "two", null, true, false, [], {}, {"a": {"b": []}}]'`,
		`'{"b": 1, "a": [1e100, -0.0001], "long key with spaces": "tab\t quote\" back\\ slash/ nl\n \u0001 \u007f ü \b\f\r"}'`,
		`(SELECT jsonb_object_agg('key' || i, i * 1.5) FROM generate_series(1, 200) i)`,
		`(SELECT jsonb_agg(i) FROM generate_series(1, 200) i)`,
		`(repeat('[', 2000) || repeat(']', 2000))::jsonb`,
		`(repeat('{"a":', 1500) || '12.5' || repeat('}', 1500))::jsonb`,
		`jsonb_build_array(repeat('x', 9000), 1, repeat('y', 30000))`}},

	{typ: `point`, values: []string{`'(1,2.5)'`, `'(-0,NaN)'`}},
	{typ: `lseg`, values: []string{`'[(1,2),(3,4)]'`}},
	{typ: `box`, values: []string{`'(1,2),(3,4)'`}},
	{typ: `line`, values: []string{`'{1,-1,0}'`}},
	{typ: `path`, values: []string{`'((1,2),(3,4))'`, `'[(1,2),(3,4),(5,6)]'`}},
	{typ: `polygon`, values: []string{`'((1,2),(3,4),(5,6))'`}},
	{typ: `circle`, values: []string{`'<(1,2),3>'`}},
	{typ: `tsvector`, values: []string{`''`, `'a'`, `'a:1A,2B,3C,4 ''b c'':5 "q\\"'`,
		`to_tsvector('english', 'the quick brown foxes jumped over dogs')`}},
	{typ: `tsquery`, values: []string{`''`, `'a'`, `'a & b | !c'`, `'a & (b | c)'`, `'!(a & b)'`, `'a <-> (b <3> c)'`,
		`'(a <-> b) <-> c'`, `'x:*AB & ''it''''s'':D'`,
		`'!a <-> !(b | c)'`, `'a | b & c <-> d'`, `'!!a'`, `'a <-> !b'`}},
	{typ: `txid_snapshot`, values: []string{`'10:20:10,14,15'`, `'1:1:'`, `'12:18446744073709:'`}},
	{since: 13, typ: `pg_snapshot`, values: []string{`'10:20:10,14,15'`}},

	{typ: `aclitem`, values: []string{`'=r/postgres'`, `'postgres=arwdDxt/postgres'`, `'"odd role"=r*w/"a""b"'`,
		`'"Under_Score"=U*C*/postgres'`, `'"7"=X/postgres'`,
		`makeaclitem(12345, 10, 'SELECT', true)`, `makeaclitem(0, 4294967295, 'CREATE', false)`, `'gone=c/postgres'`,
		`'postgres=/postgres'`,
		`'postgres=a*r*w*d*D*x*t*X*U*C*T*c*/postgres'`}},
	{since: 15, typ: `aclitem`, values: []string{`'postgres=s*A/postgres'`}},
	{since: 17, typ: `aclitem`, values: []string{`'postgres=m*/postgres'`}},
	{typ: `regproc`, values: []string{`0`, `1`, `'now'`, `'hidden.only'::regproc`,
		`'"Odd.Schema"."Odd Function"'::regproc`, `'hidden.twice(int)'::regprocedure::oid`,
		`'public.twice(int)'::regprocedure::oid`, `'public.over(int)'::regprocedure::oid`,
		`'public.lower(text)'::regprocedure::oid`,
		`'pg_catalog.lower(text)'::regprocedure::oid`, `'pg_catalog.lower(anyrange)'::regprocedure::oid`, `1299`,
		`4294967295`}},
	{typ: `regprocedure`, values: []string{`0`, `1`, `'now()'`, `'hidden.only()'`, `'"Odd.Schema"."Odd Function"()'`,
		`'hidden.twice(int)'`, `'public.twice(int)'`,
		`'public.over(text, int4[], "char")'`, `'public.lower(text)'`, `'pg_catalog.lower(text)'`,
		`'pg_catalog.oidvectorlt(oidvector, oidvector)'`,
		`'enum_in'::regproc::oid`, `'json_object(text[],text[])'`}},
	{typ: `regoper`, values: []string{`0`, `1`, `'public.<+>'`, `'hidden.+(int4,int4)'::regoperator::oid`,
		`'pg_catalog.+(int4,int4)'::regoperator::oid`,
		`'"Odd.Schema".<-+->(none,int4)'::regoperator::oid`}},
	{typ: `regoperator`, values: []string{`0`, `1`, `'public.<+>(int4,int4)'`, `'hidden.+(int4,int4)'`,
		`'pg_catalog.+(int4,int4)'`, `'"Odd.Schema".<-+->(none,int4)'`,
		`'-(none,int4)'`}},
	{typ: `regclass`, values: []string{`0`, `1`, `'pg_class'`, `'public.pg_class'`, `'hidden.secret'`, `'"Mixed"'`,
		`'normalize'`, `'json_table'`, `'"select"'`, `'json_array'`,
		`'"ümlaut"'`, `'_1'`, `'pg_toast.pg_toast_1255'`}},
	{typ: `regtype`, values: []string{`0`, `1`, `'int4'`, `'"char"'`, `'bpchar'`, `'varchar[]'`, `'bit'`, `'varbit'`,
		`'timestamptz'`, `'time'`, `'timetz[]'`, `'interval'`,
		`'float4'`, `'float8[]'`, `'numeric'`, `'hidden.mood'`, `'public.mood'`, `'hidden.mood[]'`, `'"char"[]'`,
		`'name'`, `'oidvector'`, `'int2vector[]'`, `'public."Mixed"'`,
		`'public.pg_class'`, `'pg_catalog.pg_class'`, `'public.positive'`, `'json'`, `'point'`, `'bool'`, `'int2'`,
		`'timestamp'`}},
	{typ: `regrole`, values: []string{`0`, `1`, `'postgres'`, `'"odd role"'`, `'"a""b"'`}},
	{typ: `regnamespace`, values: []string{`0`, `1`, `'public'`, `'"Odd.Schema"'`, `'pg_catalog'`}},
	{typ: `regconfig`, values: []string{`'english'`, `'hidden.english'`, `0`, `1`}},
	{typ: `regdictionary`, values: []string{`'simple'`, `'mine'`, `0`, `1`}},
	{since: 13, typ: `regcollation`, values: []string{`'"C"'`, `'"My C"'`, `'hidden.c'`, `0`, `1`, `'"default"'`}},
}
