//! A Rust service that follows the first page of the documentation of jsonwebtoken: it issues
//! `{sub, exp}` with `Header::default()` and verifies with `Validation::default()`.
//!
//! Each line of standard input is a JSON request, each line of standard output a JSON response.
//! `verify_bound` is the same program with a configured audience and issuer.

use std::io::{self, BufRead, Write};

use jsonwebtoken::{decode, encode, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: usize,
}

#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
enum Request {
    Issue { secret: String, sub: String, exp: usize },
    Verify { secret: String, token: String },
    VerifyBound { secret: String, token: String, audience: String, issuer: String },
}

fn issue(secret: &str, claims: &Claims) -> Result<Value, jsonwebtoken::errors::Error> {
    let key = EncodingKey::from_secret(secret.as_ref());
    encode(&Header::default(), claims, &key).map(|token| json!({ "token": token }))
}

fn verify(secret: &str, token: &str, policy: &Validation) -> Result<Value, jsonwebtoken::errors::Error> {
    let key = DecodingKey::from_secret(secret.as_ref());
    decode::<Claims>(token, &key, policy).map(|data| json!({ "claims": data.claims }))
}

fn answer(line: &str) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(match serde_json::from_str(line)? {
        Request::Issue { secret, sub, exp } => issue(&secret, &Claims { sub, exp })?,
        Request::Verify { secret, token } => verify(&secret, &token, &Validation::default())?,
        Request::VerifyBound { secret, token, audience, issuer } => {
            let mut policy = Validation::default();
            policy.set_audience(&[audience]);
            policy.set_issuer(&[issuer]);
            policy.set_required_spec_claims(&["exp", "aud", "iss"]);
            verify(&secret, &token, &policy)?
        }
    })
}

fn main() -> io::Result<()> {
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let reply = answer(&line?).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(output, "{reply}")?;
        output.flush()?;
    }
    Ok(())
}
