CREATE TABLE gatepass_schema (version INTEGER NOT NULL)
;
CREATE TABLE gatepass_families (
        family_id TEXT NOT NULL PRIMARY KEY,
        subject TEXT NOT NULL, client_id TEXT NOT NULL, scope TEXT NOT NULL, audience TEXT NOT NULL,
        auth_time INTEGER, acr TEXT, amr TEXT NOT NULL,
        created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, idle_expires_at INTEGER NOT NULL,
        proof_hash BLOB NOT NULL, current_hash BLOB NOT NULL, previous_hash BLOB NOT NULL, salt BLOB NOT NULL,
        rotated_at INTEGER NOT NULL, revoked_at INTEGER, purge_at INTEGER NOT NULL
    )
;
CREATE INDEX gatepass_families_subject ON gatepass_families (subject)
;
CREATE INDEX gatepass_families_client_id ON gatepass_families (client_id)
;
CREATE INDEX gatepass_families_purge_at ON gatepass_families (purge_at)
;
CREATE TABLE gatepass_revocations (
        key_hash BLOB NOT NULL PRIMARY KEY, issued_until INTEGER NOT NULL, keep_until INTEGER NOT NULL
    ) WITHOUT ROWID
;
CREATE INDEX gatepass_revocations_keep_until ON gatepass_revocations (keep_until)
;
INSERT INTO gatepass_schema (version) VALUES
(1)
;
INSERT INTO gatepass_families (family_id, subject, client_id, scope, audience, auth_time, acr, amr, created_at, expires_at, idle_expires_at, proof_hash, current_hash, previous_hash, salt, rotated_at, revoked_at, purge_at) VALUES
('5lqqt60uXTZbYOQpf4Y9Pg', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799996400, 1807772400, 1801206000, x'1b00c01014e439fd207f7db94cd1ef77a8daeb2392f9bd92b8fd93814956d551', x'82a9848170f47d0faee09356178e03a72dbf6044dfdc647022fd0c262cd56a63', x'', x'', 0, 1799999400, 1799999400),
('61gxK5WTkhzxsk-JhqAVew', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1793088000, 1800864000, 1800345600, x'906d7f99ce277b47dc47ab12efaaa56fae999b19e3f6fe3f3b8ec0c691becd7b', x'52626e2c4023bb15d20957ac56875d92fbda69159b93df9f565e31ba203a855b', x'e6045698108d95787f0d035d309f0274f6c55e937d990f5a32bf9e3055fafcb0', x'', 1799136000, NULL, 1794297600),
('BwqsXifMVkicNnTg6sPxWQ', 'ben', 'mobile', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799999970, 1807775970, 1801209570, x'bebe9a57e3731d36e210690ca12b64ec70e53677b188a8601dfd1d9568041a75', x'ecb5720337e5726be0494830ce096acedb3e7d5b4f8839926307f2fe2f5cfca8', x'', x'', 0, NULL, 1801209570),
('FAmPdSspp4o5Giv3h7MbBA', 'anna', 'web', 'orders:read orders:write', 'https://api.example', 1799999340, 'urn:example:acr:2', '["pwd", "otp"]', 1799999400, 1807775400, 1801209000, x'dde618a3861dcc119aefc08f3803dcb15b5725deb6330ee855788880a4058b68', x'28ab58231ea4810d775e6a11117dffa091bb449ed4774c8e3267349473692b8f', x'', x'', 0, NULL, 1801209000),
('Kn5wM_vuij7tswU16ZYjWw', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1792223400, 1799999400, 1799999400, x'a59200c806d07d43c83bc2c1e039dd4a6fe813141ac323e4f1fcfdd5ce523cd8', x'95f5fbcb1457cb6f2c480e93dd32fd465ea7647884c59b8afc6eb282d323a53a', x'0b3a95fce6f7feecaaa361521def113fd71d4c45f1ba99ba3c7f5203cf3e9883', x'', 1799135400, NULL, 1793433000),
('LjgR7sDBlY4NwjakbZFWZQ', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799992800, 1807768800, 1801207800, x'750cd7476c1a5e40eae1b1da0aca564613b8226b244de104c9a088390cfd938b', x'6c1bdeb752feafea11ff6b5d2cdc50faf9e4431f9a448d7505470c40234ad0bc', x'7c4227543bc233cdc6895748c9bbb4222a0067fa07cea436dfedf5a8f38e9508', x'', 1799998200, NULL, 1801202400),
('UqBh1PejYtfQrKp1L0isrg', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799996400, 1807772400, 1801209595, x'b91108299cb98c49d6347b653b1bb45c02329f4810f5247e9add158d8d1fde5a', x'38c52ebcba1770deb5ba68ac3ef37ffde5e87482c85d569ccc88e3b4e7468200', x'395056d9b2a018d3c525e8e0a6ecdab82748353085c04fd29104d62e35374aa2', x'3d3fa63c80f67e55397f927a1745f36a1350e7685cc4416b39c418698e77236e', 1799999995, NULL, 1800000055),
('Wf61XTmlUMbx5LP_H-rsIg', '  Ärger 👩🏽‍🚀 {x} ''y''', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799999940, 1807775940, 1801209540, x'558d805cca85190c74247b4573ea7061797fec12f4b8ff3a52869a82d03cd96f', x'67a6af72609f7ec6fa5f57c2152421f89c91f6a32783525e2cb0920ad7ebc1d6', x'', x'', 0, NULL, 1801209540),
('Y34CDEnbVF8WQOQYOecmFA', 'ben', 'mobile', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1799999970, 1807775970, 1801209570, x'337d3f2d559b0eaafe2cb0f98b790f663d1657ea346e2a12aeeac70a019bf80c', x'4d84c91d7baf80ec6b6e33629de11d4dcf7a716411d45eeb52a84ddc1601486e', x'', x'', 0, NULL, 1801209570),
('pyEKDJxuJH2h1kg3cI63Yw', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1800000000, 1807776000, 1801209600, x'8cd87e59e454bfa4ca3e03da174a993d5119333a8e765424a26e3fb0fc48670c', x'7c315dc5705fbba9b8470dc4b52079d76100eb96a7f4be1e15b0f36ba7e585b5', x'', x'', 0, NULL, 1801209600),
('zyPLChjUyIWT5dvrO4Htgw', 'anna', 'web', 'orders:read orders:write', 'https://api.example', NULL, NULL, '[]', 1798789800, 1806565800, 1799999400, x'6bf31cd7582a8aefd360ab6bf83836d78f3d4819b8cbb7abecfe78da84835585', x'7fb9b723f12686e52336904ab236aa26e3a23b5ed51738f5d5b6c9e0c614b22c', x'', x'', 0, NULL, 1799999400)
;
INSERT INTO gatepass_revocations (key_hash, issued_until, keep_until) VALUES
(x'527d1e4363b9ab518696bc6ee1b88373cbb79fe8bbdfa4eca2575a29e8a3a6f5', 1800000000, 1800001501)
;
