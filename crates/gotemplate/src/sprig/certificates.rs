//! Private keys and certificates.

use std::any::Any;
use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;

use super::conversion::plain_text;
use super::encoding::base64_decode;
use crate::function::{CallError, Context, Function, Param, integer, list, string};
use crate::value::{Kind, Map, Object, Str, Value};
use crate::x509::{Issuer, PrivateKey, Template, check, decode_pem};

/// Bits of the keys that come with certificates.
const KEY_BITS: usize = 2048;
/// Bits of a key alone.
const LONE_KEY_BITS: usize = 4096;
const TYPE: &str = "sprig.certificate";

const AUTHORITY: &[Param] = &[Param::String, Param::INT];
const AUTHORITY_WITH_KEY: &[Param] = &[Param::String, Param::INT, Param::String];
const SELF_SIGNED: &[Param] = &[Param::String, Param::List, Param::List, Param::INT];
const SELF_SIGNED_WITH_KEY: &[Param] = &[Param::String, Param::List, Param::List, Param::INT, Param::String];
const SIGNED: &[Param] = &[Param::String, Param::List, Param::List, Param::INT, Param::Object(TYPE)];
const SIGNED_WITH_KEY: &[Param] =
    &[Param::String, Param::List, Param::List, Param::INT, Param::Object(TYPE), Param::String];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("genPrivateKey", &[Param::String], private_key),
    Function::new("genCA", AUTHORITY, |args, context| authority(args, None, context)),
    Function::new("genCAWithKey", AUTHORITY_WITH_KEY, |args, context| authority(args, Some(2), context)),
    Function::new("genSelfSignedCert", SELF_SIGNED, |args, context| self_signed(args, None, context)),
    Function::new("genSelfSignedCertWithKey", SELF_SIGNED_WITH_KEY, |args, context| {
        self_signed(args, Some(4), context)
    }),
    Function::new("genSignedCert", SIGNED, |args, context| signed(args, None, context)),
    Function::new("genSignedCertWithKey", SIGNED_WITH_KEY, |args, context| signed(args, Some(5), context)),
    Function::new("buildCustomCert", &[Param::String, Param::String], custom),
];

/// A certificate with its key, both in PEM.
#[derive(Debug)]
struct Certificate {
    certificate: Str,
    key: Str,
}

impl Object for Certificate {
    fn type_name(&self) -> Cow<'static, str> {
        Cow::Borrowed(TYPE)
    }

    fn kind(&self) -> Kind {
        Kind::Struct
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::String(self.certificate.clone())),
            "Key" => Some(Value::String(self.key.clone())),
            _ => None,
        }
    }

    fn plain(&self) -> Option<Value> {
        let fields = ["Cert", "Key"].into_iter().filter_map(|name| Some((Str::from(name), self.field(name)?)));
        Some(Value::Map(Map::from_iter(fields)))
    }

    fn display(&self) -> Option<Str> {
        Some(Str::from([b"{", self.certificate.as_bytes(), b" ", self.key.as_bytes(), b"}"].concat()))
    }

    fn equals(&self, other: &dyn Object) -> bool {
        let other = other.as_any().downcast_ref::<Self>();
        other.is_some_and(|other| self.certificate == other.certificate && self.key == other.key)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn private_key(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let kind = string(args, 0)?.to_text();
    let key = match &*kind {
        "" | "rsa" => PrivateKey::new_rsa(LONE_KEY_BITS, context)?,
        "dsa" => PrivateKey::new_dsa(context)?,
        "ecdsa" => PrivateKey::new_ecdsa(context)?,
        "ed25519" => PrivateKey::new_ed25519(context)?,
        other => return Ok(Value::string(format!("Unknown type {other}"))),
    };
    Ok(Value::string(key.to_pem()?))
}

/// The key given at a position, or a new one.
fn key(args: &[Value], at: Option<usize>, context: &mut Context<'_>) -> Result<PrivateKey, CallError> {
    let Some(index) = at else { return PrivateKey::new_rsa(KEY_BITS, context) };
    let read = PrivateKey::from_pem(&string(args, index)?.to_text());
    read.map_err(|e| CallError::new(format!("parsing private key: {e}")))
}

fn finished(certificate: String, key: &PrivateKey) -> Result<Value, CallError> {
    let pair = Certificate { certificate: Str::from(certificate), key: Str::from(key.to_pem()?) };
    Ok(Value::Object(Rc::new(pair)))
}

fn authority(args: &[Value], key_at: Option<usize>, context: &mut Context<'_>) -> Result<Value, CallError> {
    let template = Template {
        common_name: string(args, 0)?.to_text().into_owned(),
        addresses: Vec::new(),
        dns_names: Vec::new(),
        days: integer(args, 1)?,
        is_authority: true,
    };
    let key = key(args, key_at, context)?;
    finished(template.sign(&key, None, context)?, &key)
}

/// Name, addresses, DNS names and days of a certificate that is no authority's.
fn template(args: &[Value], context: &mut Context<'_>) -> Result<Template, CallError> {
    Ok(Template {
        common_name: string(args, 0)?.to_text().into_owned(),
        addresses: addresses(&list(args, 1)?.items(), context)?,
        dns_names: dns_names(&list(args, 2)?.items(), context)?,
        days: integer(args, 3)?,
        is_authority: false,
    })
}

fn addresses(items: &[Value], context: &mut Context<'_>) -> Result<Vec<IpAddr>, CallError> {
    let mut addresses = Vec::new();
    for item in items {
        let Value::String(text) = item else {
            let shown = plain_text(item, context)?;
            return Err(CallError::new(format!("error parsing ip: {} is not a string", shown.to_text())));
        };
        let text = text.to_text();
        let address = text.parse().map_err(|_| CallError::new(format!("error parsing ip: {text}")))?;
        addresses.push(address);
    }
    Ok(addresses)
}

fn dns_names(items: &[Value], context: &mut Context<'_>) -> Result<Vec<String>, CallError> {
    let mut names = Vec::new();
    for item in items {
        let Value::String(text) = item else {
            let shown = plain_text(item, context)?;
            let message = format!("error processing alternate dns name: {} is not a string", shown.to_text());
            return Err(CallError::new(message));
        };
        names.push(text.to_text().into_owned());
    }
    Ok(names)
}

fn self_signed(args: &[Value], key_at: Option<usize>, context: &mut Context<'_>) -> Result<Value, CallError> {
    let template = template(args, context)?;
    let key = key(args, key_at, context)?;
    finished(template.sign(&key, None, context)?, &key)
}

fn signed(args: &[Value], key_at: Option<usize>, context: &mut Context<'_>) -> Result<Value, CallError> {
    let Some(Value::Object(object)) = args.get(4) else { return Err(CallError::new("a certificate is wanted")) };
    let by = object.as_any().downcast_ref::<Certificate>();
    let by = by.ok_or_else(|| CallError::new("a certificate is wanted"))?;
    let issuer = Issuer::from_pem(&by.certificate.to_text())?;
    let signer = PrivateKey::from_pem(&by.key.to_text());
    let signer = signer.map_err(|e| CallError::new(format!("error parsing private key: {e}")))?;
    let template = template(args, context)?;
    let key = key(args, key_at, context)?;
    finished(template.sign(&key, Some((&issuer, &signer)), context)?, &key)
}

/// A certificate and a key from base 64, checked.
fn custom(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let decoded = |index: usize, what: &str| {
        let bytes = base64_decode(string(args, index)?.as_bytes());
        bytes.map(Str::from).map_err(|_| CallError::new(format!("unable to decode base64 {what}")))
    };
    let (certificate, key) = (decoded(0, "certificate")?, decoded(1, "private key")?);
    let pem = decode_pem(&certificate.to_text()).ok_or_else(|| CallError::new("unable to decode certificate"))?;
    if !check(&pem.content) {
        let message = "error parsing certificate: decodedCert.Bytes: x509: malformed certificate";
        return Err(CallError::new(message));
    }
    PrivateKey::from_pem(&key.to_text()).map_err(|e| CallError::new(format!("error parsing private key: {e}")))?;
    Ok(Value::Object(Rc::new(Certificate { certificate, key })))
}
