CREATE TABLE gatepass_schema (
	id INTEGER NOT NULL,
	version INTEGER NOT NULL,
	PRIMARY KEY (id)
)
;
CREATE TABLE gatepass_families (
	family_id VARCHAR(64) NOT NULL,
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
	proof_hash BLOB NOT NULL,
	current_hash BLOB NOT NULL,
	previous_hash BLOB NOT NULL,
	salt BLOB NOT NULL,
	rotated_at BIGINT NOT NULL,
	revoked_at BIGINT,
	purge_at BIGINT NOT NULL,
	subject_hash BLOB NOT NULL,
	client_id_hash BLOB NOT NULL,
	PRIMARY KEY (family_id)
)
;
CREATE INDEX ix_gatepass_families_purge_at ON gatepass_families (purge_at)
;
CREATE INDEX ix_gatepass_families_subject_hash ON gatepass_families (subject_hash)
;
CREATE INDEX ix_gatepass_families_client_id_hash ON gatepass_families (client_id_hash)
;
CREATE TABLE gatepass_revocations (
	key_hash BLOB NOT NULL,
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
('2mg_mc8BcPA7yz-MgfvpiQ', 'anna', 'web', 'orders:read orders:write', 'https://api.example', 1799999340, 'urn:example:acr:2', '["pwd", "otp"]', 1799999400, 1807775400, 1801209000, x'a1d9d41e281fe9baa1adf6106e48c4d310c75e41fdc1c665246384d48cab9a5e', x'00e030bd76a451fb64f471b9393b8aee65796a1bcdcf0c2a1d9ac2c5d456e608', x'', x'', 0, NULL, 1801209000, x'55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', x'4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('6akbJbOLfPFB6eZb_IPAnw', '  Ärger 👩🏽‍🚀 {x} ''y''', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799999940, 1807775940, 1801209540, x'f556745f7abb9ce21cf03992cfb80d87bba09b4a9972e3a5728d731f2d12d062', x'c4ea6237d651d0afc8bb938399d38c56817f2442fddc9c6d08f7abf2915222bb', x'', x'', 0, NULL, 1801209540, x'd6fb750766483e1041b0e912e8d5679078e0e2bdf986db3f0f4a8e700253d3f7', x'4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('7e0IVIUCMZFWOxuw_MySJQ', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1798789800, 1806565800, 1799999400, x'd820edf74b5f372101fa3a1feea5329889b78e3b10f92e5355c3482593b4e738', x'a1c08e7178896f51daf9569d1c38cd46a1a22cb522b8fcc47b9dfc09be8a3d42', x'', x'', 0, NULL, 1799999400, x'55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', x'4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('8mqnqlqSsJZ6IH9GwLsvrQ', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1792223400, 1799999400, 1799999400, x'71196a5c6c6cfc07472933feeef892f381a5eb99286afaa3e7b16888a541d2cf', x'f87af5158c10bc189d97fd8d2c46c4c69819a8be86a7c53640beacb22af2af60', x'038b5eca4a4abedae4d0682c1d1ebc020984fed9d23d02366b4ddaa1076a529c', x'', 1799135400, NULL, 1793433000, x'55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', x'4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('AoXlMF4qQJsngru0EZdNPA', 'ben', 'mobile', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799999970, 1807775970, 1801209570, x'76327771c2d5c1deafc5c68fe587a7e97fd2f78a06bbd2334273ba2b53b36c4a', x'8dcb9c220117b0814b502c71065adc9aa4e6481ad9f0070cb77e6407fd35db0c', x'', x'', 0, NULL, 1801209570, x'6700869c8ff7480e34a70a708b028700dbaa3a033b5652b903afe89f49a31456', x'd524c1a0811da49592f841085cc0063eb62b3001252a94542795d1ca9824a941'),
('M4Ibnrz-7NgSVqqr0NI74w', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799992800, 1807768800, 1801207800, x'd5b9856ccc43e0212f5a98e58cffaef7c866d9e361db1d8e9cb1c297d7565416', x'88efd3edd7987aeaa28e75aa6ebcb2900a955d836bca9f60c0f5db68278fabc9', x'2be1eaa1cb13ec7613a86e92eefb8472f2bd29a1da558eb2c22e493f6a817079', x'', 1799998200, NULL, 1801202400, x'55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', x'4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('ZUQGGaDVWH4gWWeASZ-T-g', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1800000000, 1807776000, 1801209600, x'd80d538a795c0e020eb63316fbebcba598810bcf6c95a6eb09deee9473570766', x'e703cba155c88d6570d4275c724e973706f671dafb9b5ab93ad646cc33f09820', x'', x'', 0, NULL, 1801209600, x'55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', x'4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('d2dAUr_NkYchvkYBJaRavQ', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799996400, 1807772400, 1801206000, x'02cd995fd32b5b9b99780e540045dc76e38810725a4bb3b64f381d5bd0442859', x'dd197f3555eaf4d533632a790e77ffe32d6bd12ad94738f3e055e7ccc0c950df', x'', x'', 0, 1799999400, 1799999400, x'55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', x'4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('h_2PWxqbSssa1MWdW9y6ng', 'ben', 'mobile', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799999970, 1807775970, 1801209570, x'de152725fc039f9ededd9c581cbea34436dc5cf4e1e8d636d760776691752708', x'3302502caab2fb8a81ed829da737c710c65ddc12c1a38ac8e8ce82723a263ee2', x'', x'', 0, NULL, 1801209570, x'6700869c8ff7480e34a70a708b028700dbaa3a033b5652b903afe89f49a31456', x'd524c1a0811da49592f841085cc0063eb62b3001252a94542795d1ca9824a941'),
('t7Pg4zYIjA9KVl8GgU5f1A', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1793088000, 1800864000, 1800345600, x'23e3e9b839e34bfc4b7bebb0e5b73119bc9b3bdb06ea60b036ad3bd39e55b35b', x'fec1d837ea66d98a23db33b57a5813367fc08cbb819086b3a48d187da05793e1', x'1ca828d8dda5040795916d6b1ae6a8406a830239891246482ce1e0423a1df859', x'', 1799136000, NULL, 1794297600, x'55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', x'4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2'),
('trOar5lyKgtmGCsP-lhIuQ', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799996400, 1807772400, 1801209595, x'7ac2ebaf2a58f7f541f9609ee6a3042f3fa692c855947d8d33dda77f53db2c99', x'a56d14fe80bdec10b8e7b4aab5b7432544f0ea1150a2c50c3705a8e44a60fb96', x'a4bdff68656e56853c24e9384642c5ba10e3d087ce0e206b620afe5a4e58f355', x'794ddc08277eb9606919b59fdbe10a13094c012db53639156c3cec4ded6138d1', 1799999995, NULL, 1800000055, x'55579b557896d0ce1764c47fed644f9b35f58bad620674af23f356d80ed0c503', x'4b5e57f6eb2f42b9039b3d1e13929295f231749c510cbe341cd68036d9af97e2')
;
INSERT INTO gatepass_revocations (key_hash, issued_until, keep_until) VALUES
(x'527d1e4363b9ab518696bc6ee1b88373cbb79fe8bbdfa4eca2575a29e8a3a6f5', 1800000000, 1800001501)
;
