BEGIN TRANSACTION;
CREATE TABLE appointments (
	id INTEGER NOT NULL, 
	doctor_id INTEGER NOT NULL, 
	location_id INTEGER NOT NULL, 
	patient_id INTEGER NOT NULL, 
	starts_at DATETIME NOT NULL, 
	duration INTEGER NOT NULL, 
	status VARCHAR NOT NULL, 
	confirmation_id VARCHAR NOT NULL, 
	reason VARCHAR, 
	notes VARCHAR, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	CHECK (status IN ('booked', 'cancelled')), 
	FOREIGN KEY(doctor_id) REFERENCES doctors (id), 
	FOREIGN KEY(location_id) REFERENCES locations (id), 
	FOREIGN KEY(patient_id) REFERENCES patients (id), 
	UNIQUE (confirmation_id)
);
INSERT INTO "appointments" VALUES(1,1,1,1,'2026-11-24 20:00:00.000000',30,'booked','LC-KHBNP5',NULL,NULL,'2026-11-20 17:00:00.000000');
INSERT INTO "appointments" VALUES(2,1,1,2,'2026-11-25 16:00:00.000000',30,'booked','LC-PMBB1W',NULL,NULL,'2026-11-20 17:00:00.000000');
INSERT INTO "appointments" VALUES(3,1,1,3,'2026-11-24 17:00:00.000000',30,'booked','LC-A3Q3N3',NULL,NULL,'2026-11-20 17:00:00.000000');
INSERT INTO "appointments" VALUES(4,3,2,4,'2026-11-24 17:00:00.000000',30,'booked','LC-P2YSDP',NULL,NULL,'2026-11-20 17:00:00.000000');
INSERT INTO "appointments" VALUES(5,1,1,5,'2026-11-24 15:00:00.000000',30,'booked','LC-BHNWJG',NULL,NULL,'2026-11-20 17:00:00.000000');
INSERT INTO "appointments" VALUES(6,1,1,6,'2026-11-24 15:30:00.000000',30,'cancelled','LC-DBH1GY',NULL,NULL,'2026-11-20 17:00:00.000000');
CREATE TABLE changes (
	id INTEGER NOT NULL, 
	appointment_id INTEGER NOT NULL, 
	was_at DATETIME NOT NULL, 
	is_at DATETIME, 
	changed_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(appointment_id) REFERENCES appointments (id)
);
INSERT INTO "changes" VALUES(1,6,'2026-11-24 15:30:00.000000',NULL,'2026-11-20 17:00:00.000000');
INSERT INTO "changes" VALUES(2,1,'2026-11-24 16:00:00.000000','2026-11-24 20:00:00.000000','2026-11-20 17:00:00.000000');
CREATE TABLE doctors (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	specialty VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "doctors" VALUES(1,'Dr. Amara Okafor','family medicine');
INSERT INTO "doctors" VALUES(2,'Dr. Henrik Lindqvist','paediatrics');
INSERT INTO "doctors" VALUES(3,'Dr. Priya Raman','internal medicine');
CREATE TABLE holidays (
	id INTEGER NOT NULL, 
	date DATE NOT NULL, 
	name VARCHAR NOT NULL, 
	location_id INTEGER, 
	PRIMARY KEY (id), 
	FOREIGN KEY(location_id) REFERENCES locations (id)
);
INSERT INTO "holidays" VALUES(1,'2026-01-19','Martin Luther King Jr. Day',NULL);
INSERT INTO "holidays" VALUES(2,'2026-02-16','Presidents'' Day',NULL);
INSERT INTO "holidays" VALUES(3,'2026-05-25','Memorial Day',NULL);
INSERT INTO "holidays" VALUES(4,'2026-09-07','Labor Day',NULL);
INSERT INTO "holidays" VALUES(5,'2026-10-12','Columbus Day',NULL);
INSERT INTO "holidays" VALUES(6,'2026-11-26','Thanksgiving Day',NULL);
INSERT INTO "holidays" VALUES(7,'2026-01-01','New Year''s Day',NULL);
INSERT INTO "holidays" VALUES(8,'2026-06-19','Juneteenth',NULL);
INSERT INTO "holidays" VALUES(9,'2026-07-03','Independence Day',NULL);
INSERT INTO "holidays" VALUES(10,'2026-07-04','Independence Day',NULL);
INSERT INTO "holidays" VALUES(11,'2026-11-11','Veterans Day',NULL);
INSERT INTO "holidays" VALUES(12,'2026-12-25','Christmas Day',NULL);
INSERT INTO "holidays" VALUES(13,'2027-01-18','Martin Luther King Jr. Day',NULL);
INSERT INTO "holidays" VALUES(14,'2027-02-15','Presidents'' Day',NULL);
INSERT INTO "holidays" VALUES(15,'2027-05-31','Memorial Day',NULL);
INSERT INTO "holidays" VALUES(16,'2027-09-06','Labor Day',NULL);
INSERT INTO "holidays" VALUES(17,'2027-10-11','Columbus Day',NULL);
INSERT INTO "holidays" VALUES(18,'2027-11-25','Thanksgiving Day',NULL);
INSERT INTO "holidays" VALUES(19,'2027-01-01','New Year''s Day',NULL);
INSERT INTO "holidays" VALUES(20,'2027-06-18','Juneteenth',NULL);
INSERT INTO "holidays" VALUES(21,'2027-06-19','Juneteenth',NULL);
INSERT INTO "holidays" VALUES(22,'2027-07-05','Independence Day',NULL);
INSERT INTO "holidays" VALUES(23,'2027-07-04','Independence Day',NULL);
INSERT INTO "holidays" VALUES(24,'2027-11-11','Veterans Day',NULL);
INSERT INTO "holidays" VALUES(25,'2027-12-24','Christmas Day',NULL);
INSERT INTO "holidays" VALUES(26,'2027-12-25','Christmas Day',NULL);
INSERT INTO "holidays" VALUES(27,'2027-12-31','New Year''s Day',NULL);
INSERT INTO "holidays" VALUES(28,'2028-01-17','Martin Luther King Jr. Day',NULL);
INSERT INTO "holidays" VALUES(29,'2028-02-21','Presidents'' Day',NULL);
INSERT INTO "holidays" VALUES(30,'2028-05-29','Memorial Day',NULL);
INSERT INTO "holidays" VALUES(31,'2028-09-04','Labor Day',NULL);
INSERT INTO "holidays" VALUES(32,'2028-10-09','Columbus Day',NULL);
INSERT INTO "holidays" VALUES(33,'2028-11-23','Thanksgiving Day',NULL);
INSERT INTO "holidays" VALUES(34,'2028-01-01','New Year''s Day',NULL);
INSERT INTO "holidays" VALUES(35,'2028-06-19','Juneteenth',NULL);
INSERT INTO "holidays" VALUES(36,'2028-07-04','Independence Day',NULL);
INSERT INTO "holidays" VALUES(37,'2028-11-10','Veterans Day',NULL);
INSERT INTO "holidays" VALUES(38,'2028-11-11','Veterans Day',NULL);
INSERT INTO "holidays" VALUES(39,'2028-12-25','Christmas Day',NULL);
CREATE TABLE locations (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	time_zone VARCHAR NOT NULL, 
	address VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "locations" VALUES(1,'Lakeside Main Street','America/Chicago','120 Main Street, Lakeside, IL 60000');
INSERT INTO "locations" VALUES(2,'Lakeside Harbor View','America/Chicago','7 Harbor View Drive, Lakeside, IL 60000');
CREATE TABLE patients (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	name_key VARCHAR NOT NULL, 
	dob DATE NOT NULL, 
	phone VARCHAR NOT NULL, 
	email VARCHAR, 
	mrn VARCHAR, 
	address VARCHAR, 
	PRIMARY KEY (id), 
	UNIQUE (name_key, dob, phone)
);
INSERT INTO "patients" VALUES(1,'José Plantedname','josé plantedname','1980-01-31','+13125550142',NULL,NULL,NULL);
INSERT INTO "patients" VALUES(2,'Jose Plantedname','jose plantedname','1980-01-31','+13125550142',NULL,NULL,NULL);
INSERT INTO "patients" VALUES(3,'Siobhan O’Planted','siobhan o’planted','1991-05-06','+13125550143',NULL,NULL,NULL);
INSERT INTO "patients" VALUES(4,'Siobhan O''Planted','siobhan o''planted','1991-05-06','+13125550143',NULL,NULL,NULL);
INSERT INTO "patients" VALUES(5,'Testa Plantedname','testa plantedname','1975-05-05','+13125550144',NULL,NULL,NULL);
INSERT INTO "patients" VALUES(6,'Testa Plantedname','testa plantedname','1975-05-05','+13125550145',NULL,NULL,NULL);
CREATE TABLE schedule (
	id INTEGER NOT NULL, 
	doctor_id INTEGER NOT NULL, 
	location_id INTEGER NOT NULL, 
	weekday INTEGER NOT NULL, 
	opens TIME NOT NULL, 
	closes TIME NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (doctor_id, location_id, weekday, opens), 
	CHECK (weekday BETWEEN 0 AND 6), 
	CHECK (opens < closes), 
	FOREIGN KEY(doctor_id) REFERENCES doctors (id), 
	FOREIGN KEY(location_id) REFERENCES locations (id)
);
INSERT INTO "schedule" VALUES(1,1,1,0,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(2,1,1,0,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(3,1,1,1,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(4,1,1,1,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(5,1,1,2,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(6,1,1,2,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(7,1,2,3,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(8,1,2,3,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(9,1,2,4,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(10,1,2,4,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(11,2,1,0,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(12,2,1,0,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(13,2,1,2,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(14,2,1,2,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(15,2,1,4,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(16,2,1,4,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(17,2,2,1,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(18,2,2,1,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(19,3,1,3,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(20,3,1,3,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(21,3,1,4,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(22,3,1,4,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(23,3,2,0,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(24,3,2,0,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(25,3,2,1,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(26,3,2,1,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(27,3,2,2,'08:30:00.000000','12:00:00.000000');
INSERT INTO "schedule" VALUES(28,3,2,2,'13:00:00.000000','17:00:00.000000');
INSERT INTO "schedule" VALUES(29,1,1,5,'09:00:00.000000','12:00:00.000000');
CREATE INDEX ix_patients_dob ON patients (dob);
CREATE UNIQUE INDEX one_holiday_everywhere ON holidays (date) WHERE location_id IS NULL;
CREATE UNIQUE INDEX one_holiday_per_place ON holidays (date, location_id) WHERE location_id IS NOT NULL;
CREATE UNIQUE INDEX one_booking_per_patient ON appointments (patient_id, starts_at) WHERE status = 'booked';
CREATE UNIQUE INDEX one_booking_per_doctor ON appointments (doctor_id, starts_at) WHERE status = 'booked';
CREATE INDEX ix_changes_appointment_id ON changes (appointment_id);
COMMIT;
