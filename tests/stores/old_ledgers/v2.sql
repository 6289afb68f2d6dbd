PRAGMA application_id = 1735291440;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE beside (number INTEGER PRIMARY KEY, columns TEXT NOT NULL);
INSERT INTO "beside" VALUES(1,'{"sku": 1}');
INSERT INTO "beside" VALUES(3,'{"sku": 3}');
INSERT INTO "beside" VALUES(5,'{"sku": 5}');
INSERT INTO "beside" VALUES(7,'{"sku": 7}');
INSERT INTO "beside" VALUES(9,'{"sku": 9}');
INSERT INTO "beside" VALUES(11,'{"sku": 11}');
INSERT INTO "beside" VALUES(13,'{"sku": 13}');
CREATE TABLE duplicates (place TEXT PRIMARY KEY, number INTEGER NOT NULL, columns TEXT NOT NULL);
INSERT INTO "duplicates" VALUES('prompts.jsonl:23',2,'{"sku": 23}');
INSERT INTO "duplicates" VALUES('prompts.jsonl:24',3,'{}');
INSERT INTO "duplicates" VALUES('prompts.jsonl:25',4,'{}');
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
INSERT INTO "earlier" VALUES(6,'ready',1,NULL,'call-6',1006.0,60.0,'uni-1',6.0,7.0,NULL,0,NULL,2006.0,NULL,'{"code":"moderated","message":"no credits"}');
INSERT INTO "earlier" VALUES(7,'ready',1,NULL,'call-7',1007.0,60.0,'uni-1',6.0,3.0,3.0,0,NULL,2007.0,NULL,'{"message":"again"}');
INSERT INTO "earlier" VALUES(6,'ready',2,NULL,'call-61',1061.0,60.0,'uni-1',6.0,7.0,NULL,0,NULL,2061.0,NULL,'{"message":"again"}');
CREATE TABLE inputs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    parameters TEXT NOT NULL,
    place TEXT NOT NULL
);
INSERT INTO "inputs" VALUES(1,'row-1','{"prompt":"a heron 1 é "}','prompts.jsonl:1');
INSERT INTO "inputs" VALUES(2,'row-2','{"prompt":"a heron 2 é "}','prompts.jsonl:2');
INSERT INTO "inputs" VALUES(3,'row-3','{"prompt":"a heron 3 é "}','prompts.jsonl:3');
INSERT INTO "inputs" VALUES(4,'row-4','{"prompt":"a heron 4 é "}','prompts.jsonl:4');
INSERT INTO "inputs" VALUES(5,'row-5','{"prompt":"a heron 5 é "}','prompts.jsonl:5');
INSERT INTO "inputs" VALUES(6,'row-6','{"prompt":"a heron 6 é "}','prompts.jsonl:6');
INSERT INTO "inputs" VALUES(7,'row-7','{"prompt":"a heron 7 é "}','prompts.jsonl:7');
INSERT INTO "inputs" VALUES(8,'row-8','{"prompt":"a heron 8 é "}','prompts.jsonl:8');
INSERT INTO "inputs" VALUES(9,'row-9','{"prompt":"a heron 9 é "}','prompts.jsonl:9');
INSERT INTO "inputs" VALUES(10,'row-10','{"prompt":"a heron 10 é "}','prompts.jsonl:10');
INSERT INTO "inputs" VALUES(11,'row-11','{"prompt":"a heron 11 é "}','prompts.jsonl:11');
INSERT INTO "inputs" VALUES(12,'row-12','{"prompt":"a heron 12 é "}','prompts.jsonl:12');
INSERT INTO "inputs" VALUES(13,'row-13','{"prompt":"a heron 13 é "}','prompts.jsonl:13');
INSERT INTO "inputs" VALUES(14,'row-14','{"prompt":"a heron 14 é "}','prompts.jsonl:14');
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "notes" VALUES('balance','{"credits":123.5}');
INSERT INTO "notes" VALUES('fingerprint','3');
INSERT INTO "notes" VALUES('key','{"operation": "luma.generations.create", "address": "https://agents.lumalabs.ai/v1", "source": "prompts.jsonl"}');
INSERT INTO "notes" VALUES('started_at','999.0');
CREATE TABLE owners (owner INTEGER PRIMARY KEY AUTOINCREMENT, pid INTEGER NOT NULL);
INSERT INTO "owners" VALUES(1,26897);
INSERT INTO "owners" VALUES(2,26897);
CREATE TABLE rejects (place TEXT PRIMARY KEY, text TEXT NOT NULL, reason TEXT NOT NULL);
INSERT INTO "rejects" VALUES('prompts.jsonl:21','{"prömpt"','it is not JSON');
INSERT INTO "rejects" VALUES('prompts.jsonl:19','','empty');
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
INSERT INTO "rows" VALUES(1,'done',1,NULL,'call-1',1001.0,60.0,'ray-3.2',6.0,24.0,24.0,1,'["1","2"]',2001.0,'{"files":["media/é-1.png","media/1-2.png"],"seed":3}',NULL);
INSERT INTO "rows" VALUES(2,'done',1,NULL,'call-2',1002.0,60.0,'uni-1',6.0,7.0,NULL,0,'["job-2"]',2002.0,'{"files":[]}',NULL);
INSERT INTO "rows" VALUES(3,'failed',1,NULL,'call-3',1003.0,60.0,'uni-1',6.0,7.0,NULL,0,NULL,2003.0,NULL,'{"code":"moderated","error":"GenerationFailedError","message":"no ☃"}');
INSERT INTO "rows" VALUES(4,'failed',1,NULL,'call-4',1004.0,60.0,'uni-1',6.0,0.0,0.0,0,NULL,2004.0,NULL,'{"code":null,"error":"BadRequestError","message":"bad"}');
INSERT INTO "rows" VALUES(5,'unknown',1,NULL,'call-5',1005.0,60.0,'uni-1',6.0,7.0,NULL,0,NULL,2005.0,NULL,'{"error":"OutcomeUnknownError","message":"reset"}');
INSERT INTO "rows" VALUES(6,'accepted',3,2,'call-62',1062.0,60.0,'uni-1',6.0,7.0,NULL,0,'["job-6"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(7,'downloading',2,2,'call-71',1071.0,60.0,'uni-1',6.0,6.0,6.0,0,'["job-7"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(8,'done',1,NULL,'call-8',1008.0,60.0,'uni-1',6.0,5.25,5.25,2,'["job-8"]',2008.0,'{"files":["media/8.png"]}',NULL);
INSERT INTO "rows" VALUES(9,'submitting',1,2,'call-9',1009.0,60.0,'uni-1',6.0,7.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(10,'leased',1,2,'call-10',1010.0,60.0,'uni-1',6.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(11,'leased',1,2,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(12,'ready',0,NULL,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(13,'ready',0,NULL,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(14,'ready',0,NULL,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
CREATE INDEX earlier_number ON earlier (number);
CREATE INDEX states ON rows (state);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('owners',2);
COMMIT;
