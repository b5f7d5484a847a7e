CREATE TABLE gatepass_schema (
	id INTEGER NOT NULL,
	version INTEGER NOT NULL,
	PRIMARY KEY (id)
)
;
CREATE TABLE gatepass_families (
	family_id VARCHAR(64) COLLATE "C" NOT NULL,
	subject TEXT NOT NULL,
	client_id TEXT NOT NULL,
	scope TEXT NOT NULL,
	audience TEXT NOT NULL,
	auth_time BIGINT,
	acr TEXT,
	amr TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	idle_expires_at BIGINT NOT NULL,
	proof_hash BYTEA NOT NULL,
	current_hash BYTEA NOT NULL,
	previous_hash BYTEA NOT NULL,
	salt BYTEA NOT NULL,
	rotated_at BIGINT NOT NULL,
	revoked_at BIGINT,
	purge_at BIGINT NOT NULL,
	subject_hash BYTEA NOT NULL,
	client_id_hash BYTEA NOT NULL,
	PRIMARY KEY (family_id)
)
;
CREATE INDEX ix_gatepass_families_purge_at ON gatepass_families (purge_at)
;
CREATE INDEX ix_gatepass_families_subject_hash ON gatepass_families (subject_hash)
;
CREATE INDEX ix_gatepass_families_client_id_hash ON gatepass_families (client_id_hash)
;
ALTER TABLE gatepass_families SET (fillfactor = 80)
;
CREATE TABLE gatepass_revocations (
	key_hash BYTEA NOT NULL,
	issued_until BIGINT NOT NULL,
	keep_until BIGINT NOT NULL,
	PRIMARY KEY (key_hash)
)
;
CREATE INDEX ix_gatepass_revocations_keep_until ON gatepass_revocations (keep_until)
;
INSERT INTO gatepass_schema (id, version) VALUES
(1, 1)
;
INSERT INTO gatepass_families (family_id, subject, client_id, scope, audience, auth_time, acr, amr, created_at, expires_at, idle_expires_at, proof_hash, current_hash, previous_hash, salt, rotated_at, revoked_at, purge_at, subject_hash, client_id_hash) VALUES
('8-S5O9EMieIssMAbq1xqqg', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1798789800, 1806565800, 1799999400, '\x9b62a1ed4173e700995ef87f5e8f5423a09750477af90f8ce8ed4f0d49399dd9', '\xcd09833dcd7073ce6e80c17155ced51316f10c9d4264598f54418ffaf7dc611a', '\x', '\x', 0, NULL, 1799999400, '\x55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', '\x4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('9bp-DWoWz-syqVuZurBAng', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1793088000, 1800864000, 1800345600, '\xb8bc17ecf0cdd0259ece33fb00a66d16a9cb8e053429840d6fa163af69e7bce2', '\x2af983bdab7bf2885a04b5a43f050bdfe4564036183172dea4d47e4e7ab2763c', '\xa6e71e371b8019fb184a504da469a89f1e83ec2fd3d6ac360f41af8e14044363', '\x', 1799136000, NULL, 1794297600, '\x55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', '\x4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('AIvRCSNSdUBD1GRvKQE7_A', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1792223400, 1799999400, 1799999400, '\x51f6f5ff123248d3613b6546b61ce6c570c6dbb5160a9b9e4d4f83491a605d0b', '\x706fb7c8f0213112985ea577ef6882beac67a55fd1b615c9e4a3cb968a723e0e', '\x5ef79fb76e8dc5757492ea1a7e2745402185608d0826e4598ae32d94e88eda55', '\x', 1799135400, NULL, 1793433000, '\x55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', '\x4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('AnkrTnhJGixKQY2bGEJKoA', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799996400, 1807772400, 1801209595, '\x05c906353b875fbd99dcd9dcef5944dc22472cf8a436c18d3d3f00b61a91bbe7', '\xf39ee42ee9213a67753131d3b26a079343e1b04a500d5e4d3b4be97a98552cb0', '\x84d0bf842f4377360b6c61bdff913b4ef8e27aa9e2805d98fc0a215cb7cfc5cf', '\x133b9dd95abad69051626d00ffbd3ef43386c56356190e1134950ca5d4b6d3f3', 1799999995, NULL, 1800000055, '\x55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', '\x4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('CE48Rfg_mfhRYn8STy5zUA', 'ben', 'mobile', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799999970, 1807775970, 1801209570, '\x6fd62e956e312a96dcc94f140b2cff255ddc018ae5d42c4ca123c7183e6f4dcd', '\xe8f10c0682a26db173a9f3a5fd3e92e806795e05562458e28397d1d648baca75', '\x', '\x', 0, NULL, 1801209570, '\x6700869c8ff7480e34a70a708b028700dbaa3a033b5652b903afe89f49a31456', '\xd524c1a0811da49592f841085cc0063eb62b3001252a94542795d1ca9824a941'),
('D34gHWREiyGWuZHWbAHPSw', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799992800, 1807768800, 1801207800, '\xb4807b3b9b87c94527e8aa00b7f6bc2efc3f92ada7274cfd1968c5d7a5898e07', '\xa31aee1e2c5239754f1f746566e0225261f4656bfe02d5e2f2073691f3addafa', '\xd888f8f394d44347abb9587a81a2a86f1e5789521a49a06ea923fc344fc13b96', '\x', 1799998200, NULL, 1801202400, '\x55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', '\x4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('gvzHyfXEtxwNBc0gyR3pzA', 'anna', 'web', 'orders:read orders:write', 'https://api.example', 1799999340, 'urn:example:acr:2', '["pwd", "otp"]', 1799999400, 1807775400, 1801209000, '\xb88113374ae0a79555fd66f91fa43ae01151af5dbae09675a2c6ce472b8b991b', '\xa5232e2d6ebc89834c6fe8a7daf7b1a494066e4b742dfceaadd57dcae824a4a1', '\x', '\x', 0, NULL, 1801209000, '\x55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', '\x4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('lDOm71eqbHt-aJJoFwMLFA', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799996400, 1807772400, 1801206000, '\x7c925f7a55cac459b432565945a885415efcf2dde003da08977ca74035e24cd1', '\x9d77cac68b1924e446befb342c1a8d9adc0877ba4b514dee78d0588267f14fa0', '\x', '\x', 0, 1799999400, 1799999400, '\x55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', '\x4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('oziwe3glyp-JJndD-ilEOg', 'ben', 'mobile', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799999970, 1807775970, 1801209570, '\x98c4b73f154433734e4433856d6f25baedf7963d2f2d4cef0ac5d86674680d3c', '\xdfa21da4438c46655b7b26f4453671364ebe75cb066ddc75ba9aeecc635070e1', '\x', '\x', 0, NULL, 1801209570, '\x6700869c8ff7480e34a70a708b028700dbaa3a033b5652b903afe89f49a31456', '\xd524c1a0811da49592f841085cc0063eb62b3001252a94542795d1ca9824a941'),
('xCPvgiMeZDxWOraSgYScEA', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1800000000, 1807776000, 1801209600, '\x4876c399845c4caded8261f77b865fd4bc8e2e1dd804c88a03140f2b476c381a', '\x2fa1954a627de421d4e787f432fdfb249d76847ae5ca4083ebed26cab6ce016b', '\x', '\x', 0, NULL, 1801209600, '\x55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', '\x4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('yNKGfG0g6KTJbM0woeFqvQ', '  Ärger 👩🏽‍🚀 {x} ''y''', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799999940, 1807775940, 1801209540, '\xa87914523031492af10626fac8846a756fee27b2e73957f3abcfb2730fdb54bc', '\xfee4d3bc624550f513e734ca431468f61064dba8344cce5abfb305c3367c50e1', '\x', '\x', 0, NULL, 1801209540, '\xd6fb750766483e1041b0e912e8d5679078e0e2bdf986db3f0f4a8e700253d3f7', '\x4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2')
;
INSERT INTO gatepass_revocations (key_hash, issued_until, keep_until) VALUES
('\x527d1e4363b9ab518696bc6ee1b88373cbb79fe8bbdfa4eca2575a29e8a3a6f5', 1800000000, 1800001501)
;
