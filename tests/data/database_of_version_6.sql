-- Written by the code whose newest version was 6: the data of version 5, brought there, with a browser's session.
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
CREATE TABLE event (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    at         REAL NOT NULL,
    type       TEXT NOT NULL,
    runner_id  TEXT REFERENCES runner (id),
    old        TEXT,
    new        TEXT,
    reason     TEXT,
    data       TEXT
) STRICT;
INSERT INTO "event" VALUES(1,1790000000.75,'state','sjytynepan',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(2,1790000001.25,'state','sjx4rz6whu',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(3,1790000002.25,'state','sjx4rz6whu','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(4,1790000002.75,'state','aywernfm7g',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(5,1790000003.75,'state','aywernfm7g','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(6,1790000004.25,'state','aywernfm7g','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(7,1790000004.75,'state','bv5gcty5my',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(8,1790000005.75,'state','bv5gcty5my','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(9,1790000006.25,'state','bv5gcty5my','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(10,1790000007.25,'state','p45ca8b58y',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(11,1790000008.25,'state','p45ca8b58y','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(12,1790000008.75,'state','p45ca8b58y','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(13,1790000009.75,'state','p45ca8b58y','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(14,1790000010.25,'state','thcq9rdyqe',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(15,1790000011.25,'state','thcq9rdyqe','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(16,1790000011.75,'state','thcq9rdyqe','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(17,1790000012.75,'state','thcq9rdyqe','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(18,1790000013.25,'state','um7wufz7bu',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(19,1790000014.25,'state','um7wufz7bu','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(20,1790000014.75,'state','um7wufz7bu','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(21,1790000015.75,'state','um7wufz7bu','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(22,1790000016.25,'state','um7wufz7bu','idle','busy','build (ubuntu; "x" -- ''y'')',NULL);
INSERT INTO "event" VALUES(23,1790000016.75,'state','ft5cpwqyws',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(24,1790000017.75,'state','ft5cpwqyws','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(25,1790000018.25,'state','ft5cpwqyws','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(26,1790000019.25,'state','ft5cpwqyws','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(27,1790000019.75,'state','ft5cpwqyws','idle','busy','job;1',NULL);
INSERT INTO "event" VALUES(28,1790000020.25,'state','ft5cpwqyws','busy','stopping',NULL,NULL);
INSERT INTO "event" VALUES(29,1790000020.75,'state','swpuax2c9g',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(30,1790000021.75,'state','swpuax2c9g','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(31,1790000022.25,'state','swpuax2c9g','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(32,1790000023.25,'state','swpuax2c9g','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(33,1790000023.75,'state','swpuax2c9g','idle','stopping',NULL,NULL);
INSERT INTO "event" VALUES(34,1790000023.75,'state','swpuax2c9g','stopping','stopped',NULL,NULL);
INSERT INTO "event" VALUES(35,1790000024.25,'state','4yjn9n6zpy',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(36,1790000025.25,'state','4yjn9n6zpy','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(37,1790000025.75,'state','4yjn9n6zpy','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(38,1790000026.75,'state','4yjn9n6zpy','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(39,1790000027.25,'state','4yjn9n6zpy','idle','stopped','Its Listener died
signal 9',NULL);
INSERT INTO "event" VALUES(40,1790000027.75,'state','kdjhmnntv4',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(41,1790000028.75,'state','kdjhmnntv4','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(42,1790000029.25,'state','kdjhmnntv4','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(43,1790000030.25,'state','kdjhmnntv4','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(44,1790000030.75,'state','kdjhmnntv4','idle','removing',NULL,NULL);
INSERT INTO "event" VALUES(45,1790000031.25,'state','3tfap56qbt',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(46,1790000032.25,'state','3tfap56qbt','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(47,1790000032.75,'state','3tfap56qbt','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(48,1790000033.75,'state','3tfap56qbt','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(49,1790000034.25,'state','3tfap56qbt','idle','removing','GitHub is down',NULL);
INSERT INTO "event" VALUES(50,1790000035.25,'state','ahyqbpg3wd',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(51,1790000036.25,'state','ahyqbpg3wd','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(52,1790000036.75,'state','ahyqbpg3wd','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(53,1790000037.75,'state','ahyqbpg3wd','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(54,1790000038.75,'state','ahyqbpg3wd','idle','removing',NULL,NULL);
INSERT INTO "event" VALUES(55,1790000038.75,'state','ahyqbpg3wd','removing','completed',NULL,NULL);
INSERT INTO "event" VALUES(56,1790000039.25,'state','3uhfczjbqj',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(57,1790000040.25,'state','3uhfczjbqj','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(58,1790000040.75,'state','3uhfczjbqj','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(59,1790000041.75,'state','3uhfczjbqj','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(60,1790000042.25,'state','3uhfczjbqj','idle','removing',NULL,NULL);
INSERT INTO "event" VALUES(61,1790000042.25,'state','3uhfczjbqj','removing','failed',NULL,NULL);
INSERT INTO "event" VALUES(62,1790000043.25,'state','snwx2btrng',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(63,1790000044.25,'state','snwx2btrng','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(64,1790000044.75,'state','snwx2btrng','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(65,1790000045.75,'state','snwx2btrng','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(66,1790000046.25,'state','snwx2btrng','idle','removing',NULL,NULL);
INSERT INTO "event" VALUES(67,1790000046.25,'state','snwx2btrng','removing','failed',NULL,NULL);
INSERT INTO "event" VALUES(68,1790000047.25,'state','mkrsz96sh9',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(69,1790000048.25,'state','mkrsz96sh9','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(70,1790000048.75,'state','mkrsz96sh9','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(71,1790000049.75,'state','mkrsz96sh9','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(72,1790000050.25,'state','mkrsz96sh9','idle','removing',NULL,NULL);
INSERT INTO "event" VALUES(73,1790000050.25,'state','mkrsz96sh9','removing','removed',NULL,NULL);
INSERT INTO "event" VALUES(74,1790000050.75,'state','fr8unfg32h',NULL,'pending',NULL,NULL);
INSERT INTO "event" VALUES(75,1790000051.75,'state','fr8unfg32h','pending','registered',NULL,NULL);
INSERT INTO "event" VALUES(76,1790000052.25,'state','fr8unfg32h','registered','starting',NULL,NULL);
INSERT INTO "event" VALUES(77,1790000053.25,'state','fr8unfg32h','starting','idle',NULL,NULL);
INSERT INTO "event" VALUES(78,1790000053.75,'state','fr8unfg32h','idle','removing',NULL,NULL);
INSERT INTO "event" VALUES(79,1790000054.25,'state','fr8unfg32h','removing','idle','GitHub says it runs a job',NULL);
INSERT INTO "event" VALUES(80,1790000054.75,'state','8wa9j834mf',NULL,'pending',NULL,NULL);
CREATE TABLE job (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    runner_id   TEXT NOT NULL REFERENCES runner (id),
    name        TEXT NOT NULL,
    repository  TEXT,
    workflow    TEXT,
    run_id      TEXT,
    started_at  REAL NOT NULL,
    ended_at    REAL,
    result      TEXT,
    reason      TEXT, result_from TEXT, run_attempt TEXT,
    UNIQUE (runner_id, started_at)
) STRICT;
INSERT INTO "job" VALUES(1,'ahyqbpg3wd','build',NULL,NULL,NULL,1790000037.5,1790000038.0,'succeeded',NULL,'log',NULL);
INSERT INTO "job" VALUES(2,'thcq9rdyqe','lint',NULL,NULL,NULL,1790000013.0,1790000014.0,'cancelled',NULL,'log',NULL);
INSERT INTO "job" VALUES(3,'thcq9rdyqe','test',NULL,NULL,NULL,1790000014.5,1790000015.0,'succeeded',NULL,'log',NULL);
INSERT INTO "job" VALUES(4,'thcq9rdyqe','odd',NULL,NULL,NULL,1790000015.5,1790000016.0,NULL,NULL,NULL,NULL);
INSERT INTO "job" VALUES(5,'um7wufz7bu','build',NULL,NULL,NULL,1790000016.25,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE "orphan" (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    runner_id   TEXT NOT NULL,
    kind        TEXT NOT NULL DEFAULT 'registration',
    scope       TEXT NOT NULL,
    name        TEXT NOT NULL,
    labels      TEXT NOT NULL,
    github_id   INTEGER,
    path        TEXT,
    reason      TEXT NOT NULL,
    hint        TEXT,
    created_at  REAL NOT NULL,
    tries       INTEGER NOT NULL DEFAULT 0,
    next_try_at REAL NOT NULL,
    UNIQUE (runner_id, kind)
) STRICT;
INSERT INTO "orphan" VALUES(1,'3tfap56qbt','registration','acme/widgets','removing-failed','self-hosted,linux,x64,removing-failed',12,NULL,'GitHub is down',NULL,1790000034.75,1,1790000657.75);
INSERT INTO "orphan" VALUES(2,'3uhfczjbqj','registration','acme/widgets','failed-1','self-hosted,linux,x64,failed-1',14,NULL,'GitHub did not answer: <502>',NULL,1790000042.75,0,1790000042.75);
INSERT INTO "orphan" VALUES(3,'mkrsz96sh9','directory','o/r','left-1','',NULL,'/srv/runners/.orphans/left-1','root owns files in it','Ask root',1790000100.5,2,1790000400.5);
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
, how TEXT NOT NULL DEFAULT 'gentle', wanted_at REAL, wanted_by TEXT, wants INTEGER NOT NULL DEFAULT 0, started_wants INTEGER NOT NULL DEFAULT 0, deadline REAL, settle_until REAL, boot_id TEXT, back_to TEXT, back_desired TEXT, backend TEXT NOT NULL DEFAULT 'process', host_id TEXT, due REAL, attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT, changes INTEGER NOT NULL DEFAULT 0, offline_since REAL, env TEXT) STRICT;
INSERT INTO "runner" VALUES(1,'sjytynepan','build-1','pending-1','acme/widgets',NULL,'pending','running',1,'self-hosted,linux,x64,pending-1',1,1,NULL,'latest','_work','/opt/runnerctl/runners/pending-1',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,1790000000.75,1790000000.75,NULL,NULL,'gentle',1790000000.75,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(2,'sjx4rz6whu','build-1','registered-1','acme/widgets',NULL,'registered','running',2,'self-hosted,linux,x64,registered-1',0,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/registered-1',66306,1002,1790000001.75,2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,1790000001.25,1790000002.25,NULL,NULL,'gentle',1790000001.25,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(3,'aywernfm7g','build-1','starting-no-handle','acme/widgets',NULL,'starting','running',3,'self-hosted,linux,x64,starting-no-handle',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/starting-no-handle',66306,1003,1790000003.25,3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,1790000002.75,1790000004.25,NULL,NULL,'gentle',1790000002.75,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(4,'bv5gcty5my','build-1','starting-1','acme/widgets',NULL,'starting','running',4,'self-hosted,linux,x64,starting-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/starting-1',66306,1004,1790000005.25,4,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}',NULL,NULL,NULL,NULL,0,NULL,1790000004.75,1790000006.25,1790000006.75,NULL,'gentle',1790000004.75,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(5,'p45ca8b58y','build-1','idle-1','acme/widgets',NULL,'idle','running',5,'linux,GPU,Größe,日本,idle-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/idle-1',66306,1005,1790000007.75,5,'online',0,1790000055.25,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}',NULL,NULL,NULL,NULL,0,NULL,1790000007.25,1790000009.75,1790000009.25,NULL,'gentle',1790000007.25,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(6,'thcq9rdyqe','build-1','idle-unit','acme',NULL,'idle','running',5,'self-hosted,linux,x64,idle-unit',0,1,'Default','2.336.0','_work','/opt/runnerctl/runners/idle-unit',66306,1006,1790000010.75,6,NULL,NULL,NULL,NULL,'{"backend": "systemd", "unit": "runnerctl-runner@x.service"}',NULL,NULL,NULL,NULL,0,1790000056.25,1790000010.25,1790000012.75,1790000012.25,NULL,'gentle',1790000010.25,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'systemd',NULL,NULL,0,NULL,1,NULL,'{"CI_HOST": "build-1"}');
INSERT INTO "runner" VALUES(7,'um7wufz7bu','build-1','busy-1','acme/widgets','team-a','busy','running',6,'self-hosted,linux,x64,busy-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/busy-1',66306,1007,1790000013.75,7,'online',1,1790000055.75,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}',NULL,NULL,61000,61000,0,NULL,1790000013.25,1790000016.25,1790000015.25,NULL,'gentle',1790000013.25,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(8,'ft5cpwqyws','build-1','stopping-1','acme/widgets',NULL,'stopping','stopped',7,'self-hosted,linux,x64,stopping-1',0,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/stopping-1',66306,1008,1790000017.25,8,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}',NULL,NULL,NULL,NULL,0,NULL,1790000016.75,1790000020.25,1790000018.75,NULL,'gentle',1790000020.25,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(9,'swpuax2c9g','build-1','stopped-by-command','acme/widgets',NULL,'stopped','stopped',6,'self-hosted,linux,x64,stopped-by-command',0,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/stopped-by-command',66306,1009,1790000021.25,9,NULL,NULL,NULL,NULL,NULL,NULL,'It was stopped',NULL,NULL,0,NULL,1790000020.75,1790000023.75,1790000022.75,NULL,'gentle',1790000020.75,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(10,'4yjn9n6zpy','build-1','stopped-and-wanted','acme/widgets',NULL,'stopped','running',6,'self-hosted,linux,x64,stopped-and-wanted',0,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/stopped-and-wanted',66306,1010,1790000024.75,10,NULL,NULL,NULL,NULL,NULL,NULL,'Its Listener died
signal 9',NULL,NULL,0,NULL,1790000024.25,1790000027.25,1790000026.25,NULL,'gentle',1790000024.25,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(11,'kdjhmnntv4','build-1','removing-1','acme/widgets',NULL,'removing','gone',6,'self-hosted,linux,x64,removing-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/removing-1',66306,1011,1790000028.25,11,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','removed',NULL,NULL,NULL,0,NULL,1790000027.75,1790000030.75,1790000029.75,NULL,'gentle',1790000030.75,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(12,'3tfap56qbt','build-1','removing-failed','acme/widgets',NULL,'removing','gone',6,'self-hosted,linux,x64,removing-failed',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/removing-failed',66306,1012,1790000031.75,12,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','failed','GitHub is down',61001,61001,0,NULL,1790000031.25,1790000034.25,1790000033.25,NULL,'gentle',1790000034.25,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(13,'ahyqbpg3wd','build-1','completed-1','acme/widgets',NULL,'completed','gone',6,'self-hosted,linux,x64,completed-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/completed-1',66306,1013,1790000035.75,13,NULL,NULL,NULL,1790000038.25,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','completed',NULL,NULL,NULL,0,NULL,1790000035.25,1790000038.75,1790000037.25,1790000038.75,'gentle',1790000035.25,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(14,'3uhfczjbqj','build-1','failed-1','acme/widgets',NULL,'failed','gone',6,'self-hosted,linux,x64,failed-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/failed-1',66306,1014,1790000039.75,14,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','failed','It did not come online in time',NULL,NULL,0,NULL,1790000039.25,1790000042.25,1790000041.25,1790000042.25,'gentle',1790000039.25,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(15,'snwx2btrng','build-1','lost-1','acme/widgets',NULL,'failed','gone',6,'self-hosted,linux,x64,lost-1',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/lost-1',66306,1015,1790000043.75,15,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','failed','GitHub does not know it any more',NULL,NULL,0,NULL,1790000043.25,1790000046.25,1790000045.25,1790000046.25,'gentle',1790000043.25,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(16,'mkrsz96sh9','build-1','again','acme/widgets',NULL,'removed','gone',6,'self-hosted,linux,x64,again',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/again',66306,1016,1790000047.75,16,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}','removed',NULL,NULL,NULL,0,NULL,1790000047.25,1790000050.25,1790000049.25,1790000050.25,'gentle',1790000047.25,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(17,'fr8unfg32h','build-1','Again','acme/other',NULL,'idle','running',7,'self-hosted,linux,x64,Again',1,1,NULL,'2.336.0','_work','/opt/runnerctl/runners/Again',66306,1017,1790000051.25,17,NULL,NULL,NULL,NULL,'{"backend": "process", "supervisor": {"pid": 4711, "start_ticks": 99, "boot_id": "b0"}, "mark": "cgroup"}',NULL,NULL,NULL,NULL,0,NULL,1790000050.75,1790000054.25,1790000052.75,NULL,'gentle',1790000050.75,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
INSERT INTO "runner" VALUES(18,'8wa9j834mf','build-1','foreground','acme/widgets',NULL,'pending','running',1,'self-hosted,linux,x64,foreground',1,0,NULL,'latest','_w','/opt/runnerctl/runners/foreground',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,1790000054.75,1790000054.75,NULL,NULL,'gentle',1790000054.75,NULL,0,0,NULL,NULL,NULL,NULL,NULL,'process',NULL,NULL,0,NULL,0,NULL,NULL);
CREATE TABLE session (
    id            TEXT PRIMARY KEY,
    digest        TEXT NOT NULL UNIQUE,
    token_id      TEXT REFERENCES api_token(id) ON DELETE CASCADE,
    proof         TEXT,
    source        TEXT NOT NULL,
    browser       TEXT NOT NULL,
    created_at    REAL NOT NULL,
    last_used_at  REAL NOT NULL,
    expires_at    REAL NOT NULL,
    CHECK ((token_id IS NULL) <> (proof IS NULL))
) STRICT;
INSERT INTO "session" VALUES('s1','d1',NULL,'p1','127.0.0.1','Firefox',1764000000.0,1764000100.0,1764003600.0);
CREATE TABLE tenant_use (
    tenant     TEXT PRIMARY KEY,
    spent      REAL NOT NULL DEFAULT 0,
    spent_at   REAL NOT NULL DEFAULT 0,
    failures   INTEGER NOT NULL DEFAULT 0,
    failed_at  REAL NOT NULL DEFAULT 0
) STRICT;
INSERT INTO "tenant_use" VALUES('acme',12.5,1764000000.0,2,1764000100.0);
CREATE UNIQUE INDEX runner_live_name ON runner (host, lower(name))
    WHERE state NOT IN ('completed', 'failed', 'removed');
CREATE UNIQUE INDEX runner_live_user ON runner (host, job_uid)
    WHERE state NOT IN ('completed', 'failed', 'removed') AND job_uid IS NOT NULL;
CREATE INDEX runner_by_name ON runner (lower(name), seq);
CREATE INDEX runner_by_state ON runner (state, seq);
CREATE INDEX own_registration_by_scope ON own_registration (scope, at);
CREATE TRIGGER runner_changes AFTER UPDATE ON runner BEGIN
    UPDATE runner SET changes = OLD.changes + 1 WHERE seq = NEW.seq;
END;
CREATE INDEX event_by_runner ON event (runner_id, seq);
CREATE INDEX job_by_start ON job (started_at);
CREATE INDEX session_token ON session(token_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runner',19);
INSERT INTO "sqlite_sequence" VALUES('event',80);
INSERT INTO "sqlite_sequence" VALUES('job',5);
INSERT INTO "sqlite_sequence" VALUES('orphan',3);
COMMIT;
PRAGMA user_version = 6;
