PRAGMA application_id = 1735291440;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE earlier(
  number INT,
  state TEXT,
  attempt INT,
  owner INT,
  call_id TEXT,
  submitted_at REAL,
  longest REAL,
  model TEXT,
  estimated REAL,
  held REAL,
  cost REAL,
  alone INT,
  remote_ids TEXT,
  ended_at REAL,
  result TEXT,
  problem TEXT
);
INSERT INTO "earlier" VALUES(4,'ready',1,NULL,'call-4',1004.0,60.0,'uni-1',6.0,3.0,3.0,0,NULL,2006.0,NULL,'{"message":"again"}');
CREATE TABLE inputs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    parameters TEXT NOT NULL,
    place TEXT NOT NULL
);
INSERT INTO "inputs" VALUES(1,'row-1','{"prompt":"a heron 1"}','prompts.jsonl:1');
INSERT INTO "inputs" VALUES(2,'row-2','{"prompt":"a heron 2"}','prompts.jsonl:2');
INSERT INTO "inputs" VALUES(3,'row-3','{"prompt":"a heron 3"}','prompts.jsonl:3');
INSERT INTO "inputs" VALUES(4,'row-4','{"prompt":"a heron 4"}','prompts.jsonl:4');
INSERT INTO "inputs" VALUES(5,'row-5','{"prompt":"a heron 5"}','prompts.jsonl:5');
INSERT INTO "inputs" VALUES(6,'row-6','{"prompt":"a heron 6"}','prompts.jsonl:6');
INSERT INTO "inputs" VALUES(7,'row-7','{"prompt":"a heron 7"}','prompts.jsonl:7');
INSERT INTO "inputs" VALUES(8,'row-8','{"prompt":"a heron 8"}','prompts.jsonl:8');
INSERT INTO "inputs" VALUES(9,'row-9','{"prompt":"a heron 9"}','prompts.jsonl:9');
INSERT INTO "inputs" VALUES(10,'row-10','{"prompt":"a heron 10"}','prompts.jsonl:10');
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "notes" VALUES('balance','{"credits":123.5}');
INSERT INTO "notes" VALUES('key','{"operation": "luma.generations.create", "address": "https://agents.lumalabs.ai/v1", "source": "prompts.jsonl"}');
CREATE TABLE owners (owner INTEGER PRIMARY KEY AUTOINCREMENT, pid INTEGER NOT NULL);
INSERT INTO "owners" VALUES(1,27474);
CREATE TABLE rejects (place TEXT PRIMARY KEY, text TEXT NOT NULL, reason TEXT NOT NULL);
INSERT INTO "rejects" VALUES('prompts.jsonl:21','{','it is not JSON');
CREATE TABLE rows (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    owner INTEGER,
    call_id TEXT,
    submitted_at REAL,
    longest REAL NOT NULL DEFAULT 0,
    model TEXT,
    estimated REAL NOT NULL DEFAULT 0,
    held REAL NOT NULL DEFAULT 0,
    cost REAL,
    alone INTEGER NOT NULL DEFAULT 0,
    remote_ids TEXT,
    ended_at REAL,
    result TEXT,
    problem TEXT
);
INSERT INTO "rows" VALUES(1,'done',1,NULL,'call-1',1001.0,60.0,'uni-1',6.0,24.0,24.0,1,'["1","2"]',2001.0,'{"files":["media/1.png"]}',NULL);
INSERT INTO "rows" VALUES(2,'failed',1,NULL,'call-2',1002.0,60.0,'uni-1',6.0,7.0,NULL,0,NULL,2003.0,NULL,'{"code":"moderated","error":"GenerationFailedError","message":"no"}');
INSERT INTO "rows" VALUES(3,'unknown',1,NULL,'call-3',1003.0,60.0,'uni-1',6.0,7.0,NULL,0,NULL,2005.0,NULL,'{"error":"OutcomeUnknownError","message":"reset"}');
INSERT INTO "rows" VALUES(4,'submitting',2,1,'call-41',1041.0,60.0,'uni-1',6.0,7.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(5,'accepted',1,1,'call-5',1005.0,60.0,'uni-1',6.0,7.0,NULL,0,'["job-5"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(6,'downloading',1,1,'call-6',1006.0,60.0,'uni-1',6.0,6.0,6.0,0,'["job-6"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(7,'submitting',1,1,'call-7',1007.0,60.0,'uni-1',6.0,7.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(8,'leased',1,1,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(9,'ready',0,NULL,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(10,'ready',0,NULL,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
CREATE INDEX ready ON rows (number) WHERE state = 'ready';
CREATE INDEX earlier_number ON earlier (number);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('owners',1);
COMMIT;
