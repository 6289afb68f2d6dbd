PRAGMA application_id = 1735291440;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE beside (number INTEGER PRIMARY KEY, columns TEXT NOT NULL);
INSERT INTO "beside" VALUES(1,'{"sku": 1}');
INSERT INTO "beside" VALUES(2,'{"sku": 2}');
INSERT INTO "beside" VALUES(3,'{"sku": 3}');
INSERT INTO "beside" VALUES(4,'{"sku": 4}');
INSERT INTO "beside" VALUES(7,'{"sku": 100}');
INSERT INTO "beside" VALUES(8,'{"sku": 101}');
INSERT INTO "beside" VALUES(9,'{"sku": 102}');
INSERT INTO "beside" VALUES(10,'{"sku": 103}');
INSERT INTO "beside" VALUES(11,'{"sku": 104}');
INSERT INTO "beside" VALUES(12,'{"sku": 105}');
INSERT INTO "beside" VALUES(13,'{"sku": 106}');
INSERT INTO "beside" VALUES(14,'{"sku": 107}');
INSERT INTO "beside" VALUES(15,'{"sku": 108}');
INSERT INTO "beside" VALUES(16,'{"sku": 109}');
INSERT INTO "beside" VALUES(17,'{"sku": 110}');
INSERT INTO "beside" VALUES(18,'{"sku": 111}');
INSERT INTO "beside" VALUES(19,'{"sku": 112}');
INSERT INTO "beside" VALUES(20,'{"sku": 113}');
INSERT INTO "beside" VALUES(21,'{"sku": 114}');
INSERT INTO "beside" VALUES(22,'{"sku": 115}');
INSERT INTO "beside" VALUES(23,'{"sku": 116}');
INSERT INTO "beside" VALUES(24,'{"sku": 117}');
INSERT INTO "beside" VALUES(25,'{"sku": 118}');
INSERT INTO "beside" VALUES(26,'{"sku": 119}');
INSERT INTO "beside" VALUES(27,'{"sku": 120}');
INSERT INTO "beside" VALUES(28,'{"sku": 121}');
INSERT INTO "beside" VALUES(29,'{"sku": 122}');
INSERT INTO "beside" VALUES(30,'{"sku": 123}');
INSERT INTO "beside" VALUES(31,'{"sku": 124}');
INSERT INTO "beside" VALUES(32,'{"sku": 125}');
INSERT INTO "beside" VALUES(33,'{"sku": 126}');
INSERT INTO "beside" VALUES(34,'{"sku": 127}');
INSERT INTO "beside" VALUES(35,'{"sku": 128}');
INSERT INTO "beside" VALUES(36,'{"sku": 129}');
INSERT INTO "beside" VALUES(37,'{"sku": 130}');
INSERT INTO "beside" VALUES(38,'{"sku": 131}');
INSERT INTO "beside" VALUES(39,'{"sku": 132}');
INSERT INTO "beside" VALUES(40,'{"sku": 133}');
INSERT INTO "beside" VALUES(41,'{"sku": 134}');
INSERT INTO "beside" VALUES(42,'{"sku": 135}');
INSERT INTO "beside" VALUES(43,'{"sku": 136}');
INSERT INTO "beside" VALUES(44,'{"sku": 137}');
INSERT INTO "beside" VALUES(45,'{"sku": 138}');
INSERT INTO "beside" VALUES(46,'{"sku": 139}');
CREATE TABLE duplicates (place TEXT PRIMARY KEY, number INTEGER NOT NULL, columns TEXT NOT NULL);
INSERT INTO "duplicates" VALUES('rows.jsonl:48',2,'{"sku": 202}');
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
INSERT INTO "earlier" VALUES(5,'ready',1,NULL,'1cac1c46-77bb-4000-8000-dbadefc71004',1.79604875937536883354e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["85dd5954-1dee-487a-a047-4cbd52ee5b06"]',1.79604878844741368292e+09,NULL,'{"code":"content_moderated","message":"the user had it run again"}');
CREATE TABLE inputs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    parameters TEXT NOT NULL,
    place TEXT NOT NULL
);
INSERT INTO "inputs" VALUES(1,'row-1','{"prompt":"heron 1"}','rows.jsonl:1');
INSERT INTO "inputs" VALUES(2,'row-2','{"prompt":"heron 2"}','rows.jsonl:2');
INSERT INTO "inputs" VALUES(3,'row-3','{"prompt":"heron 3"}','rows.jsonl:3');
INSERT INTO "inputs" VALUES(4,'row-4','{"prompt":"heron 4"}','rows.jsonl:4');
INSERT INTO "inputs" VALUES(5,'m-1','{"prompt":"[[moderate]] 1"}','rows.jsonl:5');
INSERT INTO "inputs" VALUES(6,'m-2','{"prompt":"[[moderate]] 2"}','rows.jsonl:6');
INSERT INTO "inputs" VALUES(7,'more-0','{"prompt":"more herons 0"}','rows.jsonl:7');
INSERT INTO "inputs" VALUES(8,'more-1','{"prompt":"more herons 1"}','rows.jsonl:8');
INSERT INTO "inputs" VALUES(9,'more-2','{"prompt":"more herons 2"}','rows.jsonl:9');
INSERT INTO "inputs" VALUES(10,'more-3','{"prompt":"more herons 3"}','rows.jsonl:10');
INSERT INTO "inputs" VALUES(11,'more-4','{"prompt":"more herons 4"}','rows.jsonl:11');
INSERT INTO "inputs" VALUES(12,'more-5','{"prompt":"more herons 5"}','rows.jsonl:12');
INSERT INTO "inputs" VALUES(13,'more-6','{"prompt":"more herons 6"}','rows.jsonl:13');
INSERT INTO "inputs" VALUES(14,'more-7','{"prompt":"more herons 7"}','rows.jsonl:14');
INSERT INTO "inputs" VALUES(15,'more-8','{"prompt":"more herons 8"}','rows.jsonl:15');
INSERT INTO "inputs" VALUES(16,'more-9','{"prompt":"more herons 9"}','rows.jsonl:16');
INSERT INTO "inputs" VALUES(17,'more-10','{"prompt":"more herons 10"}','rows.jsonl:17');
INSERT INTO "inputs" VALUES(18,'more-11','{"prompt":"more herons 11"}','rows.jsonl:18');
INSERT INTO "inputs" VALUES(19,'more-12','{"prompt":"more herons 12"}','rows.jsonl:19');
INSERT INTO "inputs" VALUES(20,'more-13','{"prompt":"more herons 13"}','rows.jsonl:20');
INSERT INTO "inputs" VALUES(21,'more-14','{"prompt":"more herons 14"}','rows.jsonl:21');
INSERT INTO "inputs" VALUES(22,'more-15','{"prompt":"more herons 15"}','rows.jsonl:22');
INSERT INTO "inputs" VALUES(23,'more-16','{"prompt":"more herons 16"}','rows.jsonl:23');
INSERT INTO "inputs" VALUES(24,'more-17','{"prompt":"more herons 17"}','rows.jsonl:24');
INSERT INTO "inputs" VALUES(25,'more-18','{"prompt":"more herons 18"}','rows.jsonl:25');
INSERT INTO "inputs" VALUES(26,'more-19','{"prompt":"more herons 19"}','rows.jsonl:26');
INSERT INTO "inputs" VALUES(27,'more-20','{"prompt":"more herons 20"}','rows.jsonl:27');
INSERT INTO "inputs" VALUES(28,'more-21','{"prompt":"more herons 21"}','rows.jsonl:28');
INSERT INTO "inputs" VALUES(29,'more-22','{"prompt":"more herons 22"}','rows.jsonl:29');
INSERT INTO "inputs" VALUES(30,'more-23','{"prompt":"more herons 23"}','rows.jsonl:30');
INSERT INTO "inputs" VALUES(31,'more-24','{"prompt":"more herons 24"}','rows.jsonl:31');
INSERT INTO "inputs" VALUES(32,'more-25','{"prompt":"more herons 25"}','rows.jsonl:32');
INSERT INTO "inputs" VALUES(33,'more-26','{"prompt":"more herons 26"}','rows.jsonl:33');
INSERT INTO "inputs" VALUES(34,'more-27','{"prompt":"more herons 27"}','rows.jsonl:34');
INSERT INTO "inputs" VALUES(35,'more-28','{"prompt":"more herons 28"}','rows.jsonl:35');
INSERT INTO "inputs" VALUES(36,'more-29','{"prompt":"more herons 29"}','rows.jsonl:36');
INSERT INTO "inputs" VALUES(37,'more-30','{"prompt":"more herons 30"}','rows.jsonl:37');
INSERT INTO "inputs" VALUES(38,'more-31','{"prompt":"more herons 31"}','rows.jsonl:38');
INSERT INTO "inputs" VALUES(39,'more-32','{"prompt":"more herons 32"}','rows.jsonl:39');
INSERT INTO "inputs" VALUES(40,'more-33','{"prompt":"more herons 33"}','rows.jsonl:40');
INSERT INTO "inputs" VALUES(41,'more-34','{"prompt":"more herons 34"}','rows.jsonl:41');
INSERT INTO "inputs" VALUES(42,'more-35','{"prompt":"more herons 35"}','rows.jsonl:42');
INSERT INTO "inputs" VALUES(43,'more-36','{"prompt":"more herons 36"}','rows.jsonl:43');
INSERT INTO "inputs" VALUES(44,'more-37','{"prompt":"more herons 37"}','rows.jsonl:44');
INSERT INTO "inputs" VALUES(45,'more-38','{"prompt":"more herons 38"}','rows.jsonl:45');
INSERT INTO "inputs" VALUES(46,'more-39','{"prompt":"more herons 39"}','rows.jsonl:46');
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "notes" VALUES('account','{"balance":null,"transaction":null}');
INSERT INTO "notes" VALUES('began','1796048752.5572793');
INSERT INTO "notes" VALUES('cap','null');
INSERT INTO "notes" VALUES('clock','[[1796048752.420004,[]],[1796048790.485007,[]]]');
INSERT INTO "notes" VALUES('ended','1796048790.4759095');
INSERT INTO "notes" VALUES('ending','null');
INSERT INTO "notes" VALUES('fingerprint','3');
INSERT INTO "notes" VALUES('key','{"operation": "luma.generations.create", "address": "simulated", "source": "rows.jsonl"}');
INSERT INTO "notes" VALUES('read_whole','{"content":{"digest":"0df7abb9adb0e0340432d1f801e26921c61ac3f3af8a1beb519e14992c7b7216","size":2639},"said":["rows.jsonl:47 was set aside: it is not JSON (Expecting property name enclosed in double quotes: line 1 column 17 (char 16)): write one object on each line"],"terms":"{\"allow_duplicates\":false,\"common\":{},\"keep\":[\"sku\"],\"prompt_column\":null,\"version\":\"0.1.0\"}"}');
INSERT INTO "notes" VALUES('runs','[[1796048752.5781922,1796048790.5122657],[1796048790.6846967,null]]');
CREATE TABLE owners (owner INTEGER PRIMARY KEY AUTOINCREMENT, pid INTEGER NOT NULL);
INSERT INTO "owners" VALUES(1,28735);
INSERT INTO "owners" VALUES(2,28830);
INSERT INTO "owners" VALUES(3,28854);
CREATE TABLE rejects (place TEXT PRIMARY KEY, text TEXT NOT NULL, reason TEXT NOT NULL);
INSERT INTO "rejects" VALUES('rows.jsonl:47','{"id": "broken",','it is not JSON (Expecting property name enclosed in double quotes: line 1 column 17 (char 16)): write one object on each line');
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
INSERT INTO "rows" VALUES(1,'done',1,NULL,'4d4019b3-68c9-4000-8000-503996518041',1.79604875342317438129e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["ffe81e6b-b8e0-45ad-acb3-00027f8c9a47"]',1796048780.7543,'{"files":["media/0000/ffe81e6b-b8e0-45ad-acb3-00027f8c9a47-0.png"]}',NULL);
INSERT INTO "rows" VALUES(2,'done',1,NULL,'c9ed0e01-0036-4000-8000-012f7a10e096',1.79604875361694622045e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["fba8043c-b4c4-4ff2-ac6a-2ec9516f1bf1"]',1.79604878996095609659e+09,'{"files":["media/0000/fba8043c-b4c4-4ff2-ac6a-2ec9516f1bf1-0.png"]}',NULL);
INSERT INTO "rows" VALUES(3,'done',1,NULL,'ec5b1e6b-1bd7-4000-8000-7a20c2daf160',1.79604875541942095749e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["a892134f-3af6-4b73-a8dc-4ab943f22073"]',1.79604878842161440853e+09,'{"files":["media/0000/a892134f-3af6-4b73-a8dc-4ab943f22073-0.png"]}',NULL);
INSERT INTO "rows" VALUES(4,'done',1,NULL,'f59aa074-5ee6-4000-8000-ce7158f277b7',1.79604875739998030665e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["740b4cdd-50f3-40e4-aedf-2cc436561393"]',1.79604878845461654666e+09,'{"files":["media/0000/740b4cdd-50f3-40e4-aedf-2cc436561393-0.png"]}',NULL);
INSERT INTO "rows" VALUES(5,'failed',2,NULL,'29326624-e163-4000-8000-cfe797df7dcd',1.79604879190754747383e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["c296ba3b-2261-489c-a84a-b8ed2f2375c1"]',1.79604881446083426473e+09,NULL,'{"code":"content_moderated","error":"ContentModeratedError","message":"generation c296ba3b-2261-489c-a84a-b8ed2f2375c1 failed: content_moderated: Generation output was flagged by our content moderation system. (refunded, says the FAQ). Modify the prompt or the input and resubmit; do not retry as-is."}');
INSERT INTO "rows" VALUES(6,'failed',1,NULL,'1f5ddc77-dc47-4000-8000-7619ceaf18ae',1.79604876147437024112e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["84213e5f-9140-4a50-a3d8-e37bdda047ac"]',1.79604878843826413158e+09,NULL,'{"code":"content_moderated","error":"ContentModeratedError","message":"generation 84213e5f-9140-4a50-a3d8-e37bdda047ac failed: content_moderated: Generation output was flagged by our content moderation system. (refunded, says the FAQ). Modify the prompt or the input and resubmit; do not retry as-is."}');
INSERT INTO "rows" VALUES(7,'done',1,NULL,'8e48a87f-3214-4000-8000-e8d7a8c89b80',1.79604879211197328561e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["b515568a-eb7b-428d-af45-ec6923c14ef0"]',1.79604882144592404363e+09,'{"files":["media/0000/b515568a-eb7b-428d-af45-ec6923c14ef0-0.png"]}',NULL);
INSERT INTO "rows" VALUES(8,'done',1,NULL,'31786c9d-4793-4000-8000-1a828b92a3db',1.79604879384244704243e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["3a70f503-4973-41fa-a55a-fd2541d71111"]',1.79604880853415203095e+09,'{"files":["media/0000/3a70f503-4973-41fa-a55a-fd2541d71111-0.png"]}',NULL);
INSERT INTO "rows" VALUES(9,'done',1,NULL,'0b119215-fd07-4000-8000-19e60dbb12d4',1796048795.89412,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["03e6000a-cf23-4c7e-a2d8-5d1fd1ba70ba"]',1.79604883142205739026e+09,'{"files":["media/0000/03e6000a-cf23-4c7e-a2d8-5d1fd1ba70ba-0.png"]}',NULL);
INSERT INTO "rows" VALUES(10,'done',1,NULL,'47881721-45c8-4000-8000-fb211bee1916',1.79604879794735860826e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["47ac641a-0210-46b7-ab5f-ba27253d3695"]',1.79604882713383269304e+09,'{"files":["media/0000/47ac641a-0210-46b7-ab5f-ba27253d3695-0.png"]}',NULL);
INSERT INTO "rows" VALUES(11,'done',1,NULL,'3626cd7e-e788-4000-8000-a348286354fb',1.79604880062920618062e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["529c535b-d590-49a3-a498-30b120aee8fa"]',1.79604882720405149461e+09,'{"files":["media/0000/529c535b-d590-49a3-a498-30b120aee8fa-0.png"]}',NULL);
INSERT INTO "rows" VALUES(12,'done',1,NULL,'14a4f8d2-5f00-4000-8000-46fa64d48d55',1.79604880184929442408e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["a6a82285-02a5-4fb3-a7d2-e9e878e3bcfb"]',1.79604883148239779467e+09,'{"files":["media/0000/a6a82285-02a5-4fb3-a7d2-e9e878e3bcfb-0.png"]}',NULL);
INSERT INTO "rows" VALUES(13,'downloading',1,3,'57b59cc6-a530-4000-8000-18564d893591',1.79604880381928467755e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["f318c9da-2c42-4f90-a13b-c317685fd894"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(14,'accepted',1,3,'a5f7ed60-fd19-4000-8000-e7b03ea98be9',1.79604880780076456067e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["f64f119c-9db6-45a1-a0a7-fe965dbfa024"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(15,'accepted',1,3,'d52ac51c-cec4-4000-8000-73627e2060ac',1.79604880837487840654e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["e5098601-9e89-4e62-a4ad-0fbf5f7210fe"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(16,'accepted',1,3,'d1ae1bd9-4ba9-4000-8000-bd8adc95d53e',1.79604880982694935795e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["83783cd4-25d1-4fb6-a424-1bd7e1a3bec2"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(17,'downloading',1,3,'df1bc7b2-e730-4000-8000-3313455089cb',1.79604881180210757254e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["6d240714-4ed6-45a7-a525-7e89578ff923"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(18,'accepted',1,3,'6407e006-51c5-4000-8000-3b71cc016134',1.79604881747115325925e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["3689fa60-3aa2-45fe-a3d6-3fc312e13746"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(19,'accepted',1,3,'0c246076-c05c-4000-8000-9ee699af7a85',1.79604882149242281921e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["a8b0ecb5-82bb-49c4-ab33-8e43a1b3efdf"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(20,'accepted',1,3,'da99ce43-e905-4000-8000-f4570c66e573',1.79604882189612555503e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["e5e3a80e-fd39-4f15-aa86-a58aa5143fd0"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(21,'accepted',1,3,'66892f40-d377-4000-8000-1dc2879c7dc1',1.79604882710114645955e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["ef5d6910-5ac2-4724-aab1-6c915346bc33"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(22,'accepted',1,3,'0dd745f6-fe2f-4000-8000-9996eec8c435',1.79604883044986677166e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,'["7d42510a-5748-49a8-aa02-4772d0408846"]',NULL,NULL,NULL);
INSERT INTO "rows" VALUES(23,'submitting',1,3,'273961fa-f06d-4000-8000-367940c0b93f',1.79604883132351756096e+09,0.0,'uni-1 image',1.34666666666666650091e+01,1.34666666666666650091e+01,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(24,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(25,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(26,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(27,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(28,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(29,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(30,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(31,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(32,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(33,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(34,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(35,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(36,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(37,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(38,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(39,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(40,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(41,'leased',1,3,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(42,'ready',0,NULL,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(43,'ready',0,NULL,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(44,'ready',0,NULL,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(45,'ready',0,NULL,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
INSERT INTO "rows" VALUES(46,'ready',0,NULL,NULL,NULL,0.0,NULL,0.0,0.0,NULL,0,NULL,NULL,NULL,NULL);
CREATE INDEX earlier_number ON earlier (number);
CREATE INDEX states ON rows (state);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('owners',3);
COMMIT;
