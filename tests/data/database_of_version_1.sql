-- A database of version 1, as runnerctl 520934d wrote it: a life in every state, orphans, tokens, back-offs.
BEGIN TRANSACTION;
CREATE TABLE absence (
    runner_id   TEXT PRIMARY KEY REFERENCES runner (id),
    times       INTEGER NOT NULL,
    counted_at  REAL NOT NULL
) STRICT;
INSERT INTO "absence" VALUES('p45ca8b58y',1,1790000056.75);
INSERT INTO "absence" VALUES('3tfap56qbt',2,1790000057.25);
CREATE TABLE api_token (
    id            TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    tenant        TEXT,
    digest        TEXT NOT NULL UNIQUE,
    scopes        TEXT NOT NULL,
    limits        TEXT NOT NULL,
    created_at    REAL NOT NULL,
    expires_at    REAL NOT NULL,
    last_used_at  REAL,
    revoked_at    REAL
) STRICT;
INSERT INTO "api_token" VALUES('tok1','team-a','team-a','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','runners:read runners:write','{"tenant": "team-a", "repositories": ["acme/*"], "organizations": [], "labels": ["linux", "Gr\u00f6\u00dfe"], "max_runners": 3, "persistent": false, "name_pattern": "*", "public_repositories": false}',1790000060.25,1797776060.25,NULL,1790003660.25);
INSERT INTO "api_token" VALUES('tok2','team-a','team-a','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','runners:read runners:write','{"tenant": "team-a", "repositories": ["acme/*"], "organizations": [], "labels": ["linux", "Gr\u00f6\u00dfe"], "max_runners": 3, "persistent": false, "name_pattern": "*", "public_repositories": false}',1790000060.25,1797776060.25,1790000120.25,NULL);
INSERT INTO "api_token" VALUES('tok3','team-b','team-b','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc','runners:read runners:write','{"tenant": "team-b", "repositories": ["acme/*"], "organizations": [], "labels": ["linux", "Gr\u00f6\u00dfe"], "max_runners": 3, "persistent": true, "name_pattern": "*", "public_repositories": false}',1790000060.25,1797776060.25,NULL,1790000061.25);
CREATE TABLE backoff (
    scope       TEXT PRIMARY KEY,
    until       REAL NOT NULL,
    tries       INTEGER NOT NULL,
    reason      TEXT NOT NULL
) STRICT;
INSERT INTO "backoff" VALUES('acme/widgets',1790000359.75,4,'GitHub refused: 403');
CREATE TABLE orphan (
    id          INTEGER PRIMARY KEY,
    runner_id   TEXT NOT NULL UNIQUE,
    scope       TEXT NOT NULL,
    name        TEXT NOT NULL,
    labels      TEXT NOT NULL,
    github_id   INTEGER,
    reason      TEXT NOT NULL,
    created_at  REAL NOT NULL,
    tries       INTEGER NOT NULL DEFAULT 0,
    next_try_at REAL NOT NULL
) STRICT;
INSERT INTO "orphan" VALUES(1,'3tfap56qbt','acme/widgets','removing-failed','self-hosted,linux,x64,removing-failed',12,'GitHub is down',1790000034.75,1,1790000657.75);
INSERT INTO "orphan" VALUES(2,'3uhfczjbqj','acme/widgets','failed-1','self-hosted,linux,x64,failed-1',14,'GitHub did not answer: <502>',1790000042.75,0,1790000042.75);
CREATE TABLE own_registration (
    id          INTEGER PRIMARY KEY,
    scope       TEXT NOT NULL,
    at          REAL NOT NULL
) STRICT;
INSERT INTO "own_registration" VALUES(1,'acme/widgets',1790000058.75);
INSERT INTO "own_registration" VALUES(2,'acme',1790000059.25);
CREATE TABLE replacement (
    runner_id   TEXT PRIMARY KEY REFERENCES runner (id),
    created_at  REAL NOT NULL
) STRICT;
INSERT INTO "replacement" VALUES('snwx2btrng',1790000046.75);
CREATE TABLE runner (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    host             TEXT NOT NULL,
    name             TEXT NOT NULL,
    scope            TEXT NOT NULL,
    tenant           TEXT,
    state            TEXT NOT NULL,
    desired          TEXT NOT NULL,
    revision         INTEGER NOT NULL,
    labels           TEXT NOT NULL,
    ephemeral        INTEGER NOT NULL,
    daemonize        INTEGER NOT NULL,
    runner_group     TEXT,
    version          TEXT NOT NULL,
    workdir          TEXT NOT NULL,
    root             TEXT NOT NULL,
    root_device      INTEGER,
    root_inode       INTEGER,
    asked_at         REAL,
    github_id        INTEGER,
    github_status    TEXT,
    github_busy      INTEGER,
    github_seen_at   REAL,
    deregistered_at  REAL,
    handle           TEXT,
    ending           TEXT,
    reason           TEXT,
    job_uid          INTEGER,
    job_gid          INTEGER,
    may_be_public    INTEGER NOT NULL,
    exposed_at       REAL,
    created_at       REAL NOT NULL,
    changed_at       REAL NOT NULL,
    started_at       REAL,
    ended_at         REAL
) STRICT;
INSERT INTO "runner" VALUES(1,'sjytynepan','build-1','pending-1','acme/widgets',NULL,'pending','running',1,'self-hosted,linux,x64,pending-1',1,1,NULL,'latest','_work','/opt/runnerctl/runners/pending-1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,1790000000.75,1790000000.75,NULL,NULL);
INSERT INTO "runner" VALUES(2,'sjx4rz6whu','build-1','registered-1','acme/widgets',NULL,'registered','running',2,'self-hosted,linux,x64,registered-1',0,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/registered-1',66306,1002,1790000001.75,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,1790000001.25,1790000002.25,NULL,NULL);
INSERT INTO "runner" VALUES(3,'aywernfm7g','build-1','starting-no-handle','acme/widgets',NULL,'starting','running',3,'self-hosted,linux,x64,starting-no-handle',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/starting-no-handle',66306,1003,1790000003.25,3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,1790000002.75,1790000004.25,NULL,NULL);
INSERT INTO "runner" VALUES(4,'bv5gcty5my','build-1','starting-1','acme/widgets',NULL,'starting','running',4,'self-hosted,linux,x64,starting-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/starting-1',66306,1004,1790000005.25,4,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}',NULL,NULL,NULL,NULL,0,NULL,1790000004.75,1790000006.25,1790000006.75,NULL);
INSERT INTO "runner" VALUES(5,'p45ca8b58y','build-1','idle-1','acme/widgets',NULL,'idle','running',5,'linux,GPU,Größe,日本,idle-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/idle-1',66306,1005,1790000007.75,5,'online',0,1790000055.25,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}',NULL,NULL,NULL,NULL,0,NULL,1790000007.25,1790000009.75,1790000009.25,NULL);
INSERT INTO "runner" VALUES(6,'thcq9rdyqe','build-1','idle-unit','acme',NULL,'idle','running',5,'self-hosted,linux,x64,idle-unit',0,1,'Default','2.336.0','_work','/opt/runnerctl/runners/idle-unit',66306,1006,1790000010.75,6,NULL,NULL,NULL,NULL,'{"backend": "systemd", "unit": "runnerctl-runner@x.service"}',NULL,NULL,NULL,NULL,0,1790000056.25,1790000010.25,1790000012.75,1790000012.25,NULL);
INSERT INTO "runner" VALUES(7,'um7wufz7bu','build-1','busy-1','acme/widgets','team-a','busy','running',6,'self-hosted,linux,x64,busy-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/busy-1',66306,1007,1790000013.75,7,'online',1,1790000055.75,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}',NULL,NULL,61000,61000,0,NULL,1790000013.25,1790000016.25,1790000015.25,NULL);
INSERT INTO "runner" VALUES(8,'ft5cpwqyws','build-1','stopping-1','acme/widgets',NULL,'stopping','stopped',7,'self-hosted,linux,x64,stopping-1',0,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/stopping-1',66306,1008,1790000017.25,8,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}',NULL,NULL,NULL,NULL,0,NULL,1790000016.75,1790000020.25,1790000018.75,NULL);
INSERT INTO "runner" VALUES(9,'swpuax2c9g','build-1','stopped-by-command','acme/widgets',NULL,'stopped','stopped',6,'self-hosted,linux,x64,stopped-by-command',0,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/stopped-by-command',66306,1009,1790000021.25,9,NULL,NULL,NULL,NULL,NULL,NULL,'It was stopped',NULL,NULL,0,NULL,1790000020.75,1790000023.75,1790000022.75,NULL);
INSERT INTO "runner" VALUES(10,'4yjn9n6zpy','build-1','stopped-and-wanted','acme/widgets',NULL,'stopped','running',6,'self-hosted,linux,x64,stopped-and-wanted',0,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/stopped-and-wanted',66306,1010,1790000024.75,10,NULL,NULL,NULL,NULL,NULL,NULL,'Its Listener died
signal 9',NULL,NULL,0,NULL,1790000024.25,1790000027.25,1790000026.25,NULL);
INSERT INTO "runner" VALUES(11,'kdjhmnntv4','build-1','removing-1','acme/widgets',NULL,'removing','gone',6,'self-hosted,linux,x64,removing-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/removing-1',66306,1011,1790000028.25,11,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','removed',NULL,NULL,NULL,0,NULL,1790000027.75,1790000030.75,1790000029.75,NULL);
INSERT INTO "runner" VALUES(12,'3tfap56qbt','build-1','removing-failed','acme/widgets',NULL,'removing','gone',6,'self-hosted,linux,x64,removing-failed',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/removing-failed',66306,1012,1790000031.75,12,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','failed','GitHub is down',61001,61001,0,NULL,1790000031.25,1790000034.25,1790000033.25,NULL);
INSERT INTO "runner" VALUES(13,'ahyqbpg3wd','build-1','completed-1','acme/widgets',NULL,'completed','gone',6,'self-hosted,linux,x64,completed-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/completed-1',66306,1013,1790000035.75,13,NULL,NULL,NULL,1790000038.25,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','completed',NULL,NULL,NULL,0,NULL,1790000035.25,1790000038.75,1790000037.25,1790000038.75);
INSERT INTO "runner" VALUES(14,'3uhfczjbqj','build-1','failed-1','acme/widgets',NULL,'failed','gone',6,'self-hosted,linux,x64,failed-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/failed-1',66306,1014,1790000039.75,14,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','failed','It did not come online in time',NULL,NULL,0,NULL,1790000039.25,1790000042.25,1790000041.25,1790000042.25);
INSERT INTO "runner" VALUES(15,'snwx2btrng','build-1','lost-1','acme/widgets',NULL,'failed','gone',6,'self-hosted,linux,x64,lost-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/lost-1',66306,1015,1790000043.75,15,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','failed','GitHub does not know it any more',NULL,NULL,0,NULL,1790000043.25,1790000046.25,1790000045.25,1790000046.25);
INSERT INTO "runner" VALUES(16,'mkrsz96sh9','build-1','again','acme/widgets',NULL,'removed','gone',6,'self-hosted,linux,x64,again',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/again',66306,1016,1790000047.75,16,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','removed',NULL,NULL,NULL,0,NULL,1790000047.25,1790000050.25,1790000049.25,1790000050.25);
INSERT INTO "runner" VALUES(17,'fr8unfg32h','build-1','Again','acme/other',NULL,'idle','running',7,'self-hosted,linux,x64,Again',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/Again',66306,1017,1790000051.25,17,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}',NULL,NULL,NULL,NULL,0,NULL,1790000050.75,1790000054.25,1790000052.75,NULL);
INSERT INTO "runner" VALUES(18,'8wa9j834mf','build-1','foreground','acme/widgets',NULL,'pending','running',1,'self-hosted,linux,x64,foreground',1,0,NULL,'latest','_w','/opt/runnerctl/runners/foreground',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,1790000054.75,1790000054.75,NULL,NULL);
CREATE TABLE runner_event (
    id         INTEGER PRIMARY KEY,
    runner_id  TEXT NOT NULL REFERENCES runner (id),
    at         REAL NOT NULL,
    old        TEXT,
    new        TEXT NOT NULL,
    reason     TEXT
) STRICT;
INSERT INTO "runner_event" VALUES(1,'sjytynepan',1790000000.75,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(2,'sjx4rz6whu',1790000001.25,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(3,'sjx4rz6whu',1790000002.25,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(4,'aywernfm7g',1790000002.75,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(5,'aywernfm7g',1790000003.75,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(6,'aywernfm7g',1790000004.25,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(7,'bv5gcty5my',1790000004.75,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(8,'bv5gcty5my',1790000005.75,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(9,'bv5gcty5my',1790000006.25,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(10,'p45ca8b58y',1790000007.25,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(11,'p45ca8b58y',1790000008.25,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(12,'p45ca8b58y',1790000008.75,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(13,'p45ca8b58y',1790000009.75,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(14,'thcq9rdyqe',1790000010.25,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(15,'thcq9rdyqe',1790000011.25,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(16,'thcq9rdyqe',1790000011.75,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(17,'thcq9rdyqe',1790000012.75,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(18,'um7wufz7bu',1790000013.25,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(19,'um7wufz7bu',1790000014.25,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(20,'um7wufz7bu',1790000014.75,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(21,'um7wufz7bu',1790000015.75,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(22,'um7wufz7bu',1790000016.25,'idle','busy','build (ubuntu; "x" -- ''y'')');
INSERT INTO "runner_event" VALUES(23,'ft5cpwqyws',1790000016.75,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(24,'ft5cpwqyws',1790000017.75,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(25,'ft5cpwqyws',1790000018.25,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(26,'ft5cpwqyws',1790000019.25,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(27,'ft5cpwqyws',1790000019.75,'idle','busy','job;1');
INSERT INTO "runner_event" VALUES(28,'ft5cpwqyws',1790000020.25,'busy','stopping',NULL);
INSERT INTO "runner_event" VALUES(29,'swpuax2c9g',1790000020.75,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(30,'swpuax2c9g',1790000021.75,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(31,'swpuax2c9g',1790000022.25,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(32,'swpuax2c9g',1790000023.25,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(33,'swpuax2c9g',1790000023.75,'idle','stopping',NULL);
INSERT INTO "runner_event" VALUES(34,'swpuax2c9g',1790000023.75,'stopping','stopped',NULL);
INSERT INTO "runner_event" VALUES(35,'4yjn9n6zpy',1790000024.25,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(36,'4yjn9n6zpy',1790000025.25,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(37,'4yjn9n6zpy',1790000025.75,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(38,'4yjn9n6zpy',1790000026.75,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(39,'4yjn9n6zpy',1790000027.25,'idle','stopped','Its Listener died
signal 9');
INSERT INTO "runner_event" VALUES(40,'kdjhmnntv4',1790000027.75,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(41,'kdjhmnntv4',1790000028.75,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(42,'kdjhmnntv4',1790000029.25,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(43,'kdjhmnntv4',1790000030.25,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(44,'kdjhmnntv4',1790000030.75,'idle','removing',NULL);
INSERT INTO "runner_event" VALUES(45,'3tfap56qbt',1790000031.25,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(46,'3tfap56qbt',1790000032.25,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(47,'3tfap56qbt',1790000032.75,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(48,'3tfap56qbt',1790000033.75,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(49,'3tfap56qbt',1790000034.25,'idle','removing','GitHub is down');
INSERT INTO "runner_event" VALUES(50,'ahyqbpg3wd',1790000035.25,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(51,'ahyqbpg3wd',1790000036.25,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(52,'ahyqbpg3wd',1790000036.75,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(53,'ahyqbpg3wd',1790000037.75,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(54,'ahyqbpg3wd',1790000038.75,'idle','removing',NULL);
INSERT INTO "runner_event" VALUES(55,'ahyqbpg3wd',1790000038.75,'removing','completed',NULL);
INSERT INTO "runner_event" VALUES(56,'3uhfczjbqj',1790000039.25,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(57,'3uhfczjbqj',1790000040.25,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(58,'3uhfczjbqj',1790000040.75,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(59,'3uhfczjbqj',1790000041.75,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(60,'3uhfczjbqj',1790000042.25,'idle','removing',NULL);
INSERT INTO "runner_event" VALUES(61,'3uhfczjbqj',1790000042.25,'removing','failed',NULL);
INSERT INTO "runner_event" VALUES(62,'snwx2btrng',1790000043.25,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(63,'snwx2btrng',1790000044.25,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(64,'snwx2btrng',1790000044.75,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(65,'snwx2btrng',1790000045.75,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(66,'snwx2btrng',1790000046.25,'idle','removing',NULL);
INSERT INTO "runner_event" VALUES(67,'snwx2btrng',1790000046.25,'removing','failed',NULL);
INSERT INTO "runner_event" VALUES(68,'mkrsz96sh9',1790000047.25,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(69,'mkrsz96sh9',1790000048.25,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(70,'mkrsz96sh9',1790000048.75,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(71,'mkrsz96sh9',1790000049.75,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(72,'mkrsz96sh9',1790000050.25,'idle','removing',NULL);
INSERT INTO "runner_event" VALUES(73,'mkrsz96sh9',1790000050.25,'removing','removed',NULL);
INSERT INTO "runner_event" VALUES(74,'fr8unfg32h',1790000050.75,NULL,'pending',NULL);
INSERT INTO "runner_event" VALUES(75,'fr8unfg32h',1790000051.75,'pending','registered',NULL);
INSERT INTO "runner_event" VALUES(76,'fr8unfg32h',1790000052.25,'registered','starting',NULL);
INSERT INTO "runner_event" VALUES(77,'fr8unfg32h',1790000053.25,'starting','idle',NULL);
INSERT INTO "runner_event" VALUES(78,'fr8unfg32h',1790000053.75,'idle','removing',NULL);
INSERT INTO "runner_event" VALUES(79,'fr8unfg32h',1790000054.25,'removing','idle','GitHub says it runs a job');
INSERT INTO "runner_event" VALUES(80,'8wa9j834mf',1790000054.75,NULL,'pending',NULL);
CREATE UNIQUE INDEX runner_live_name ON runner (host, lower(name))
    WHERE state NOT IN ('completed', 'failed', 'removed');
CREATE UNIQUE INDEX runner_live_user ON runner (host, job_uid)
    WHERE state NOT IN ('completed', 'failed', 'removed') AND job_uid IS NOT NULL;
CREATE INDEX runner_by_name ON runner (lower(name), seq);
CREATE INDEX runner_by_state ON runner (state, seq);
CREATE INDEX runner_event_by_runner ON runner_event (runner_id, id);
CREATE INDEX own_registration_by_scope ON own_registration (scope, at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runner',19);
COMMIT;
PRAGMA user_version = 1;
