CREATE TABLE doctors (
	id SERIAL NOT NULL, 
	name VARCHAR NOT NULL, 
	specialty VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
CREATE TABLE locations (
	id SERIAL NOT NULL, 
	name VARCHAR NOT NULL, 
	time_zone VARCHAR NOT NULL, 
	address VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
CREATE TABLE patients (
	id SERIAL NOT NULL, 
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
CREATE INDEX ix_patients_dob ON patients (dob);
CREATE TABLE appointments (
	id SERIAL NOT NULL, 
	doctor_id INTEGER NOT NULL, 
	location_id INTEGER NOT NULL, 
	patient_id INTEGER NOT NULL, 
	starts_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	duration INTEGER NOT NULL, 
	status VARCHAR NOT NULL, 
	confirmation_id VARCHAR NOT NULL, 
	reason VARCHAR, 
	notes VARCHAR, 
	created_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	PRIMARY KEY (id), 
	CHECK (status IN ('booked', 'cancelled')), 
	FOREIGN KEY(doctor_id) REFERENCES doctors (id), 
	FOREIGN KEY(location_id) REFERENCES locations (id), 
	FOREIGN KEY(patient_id) REFERENCES patients (id), 
	UNIQUE (confirmation_id)
);
CREATE UNIQUE INDEX one_booking_per_doctor ON appointments (doctor_id, starts_at) WHERE status = 'booked';
CREATE UNIQUE INDEX one_booking_per_patient ON appointments (patient_id, starts_at) WHERE status = 'booked';
CREATE TABLE holidays (
	id SERIAL NOT NULL, 
	date DATE NOT NULL, 
	name VARCHAR NOT NULL, 
	location_id INTEGER, 
	PRIMARY KEY (id), 
	FOREIGN KEY(location_id) REFERENCES locations (id)
);
CREATE UNIQUE INDEX one_holiday_everywhere ON holidays (date) WHERE location_id IS NULL;
CREATE UNIQUE INDEX one_holiday_per_place ON holidays (date, location_id) WHERE location_id IS NOT NULL;
CREATE TABLE schedule (
	id SERIAL NOT NULL, 
	doctor_id INTEGER NOT NULL, 
	location_id INTEGER NOT NULL, 
	weekday INTEGER NOT NULL, 
	opens TIME WITHOUT TIME ZONE NOT NULL, 
	closes TIME WITHOUT TIME ZONE NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (doctor_id, location_id, weekday, opens), 
	CHECK (weekday BETWEEN 0 AND 6), 
	CHECK (opens < closes), 
	FOREIGN KEY(doctor_id) REFERENCES doctors (id), 
	FOREIGN KEY(location_id) REFERENCES locations (id)
);
CREATE TABLE changes (
	id SERIAL NOT NULL, 
	appointment_id INTEGER NOT NULL, 
	was_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	is_at TIMESTAMP WITH TIME ZONE, 
	changed_at TIMESTAMP WITH TIME ZONE NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(appointment_id) REFERENCES appointments (id)
);
CREATE INDEX ix_changes_appointment_id ON changes (appointment_id);
