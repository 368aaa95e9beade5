//! Semantic versions.

use std::any::Any;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use crate::function::{CallError, Context, Function, Param, Signature, any, string};
use crate::semver::{Constraints, SemverError, Version};
use crate::value::{Kind, Object, Str, UintType, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("semver", &[Param::String], semver),
    Function::new("semverCompare", &[Param::String, Param::String], semver_compare),
];

impl From<SemverError> for CallError {
    fn from(error: SemverError) -> Self {
        Self::new(error.to_string())
    }
}

fn version(args: &[Value], index: usize) -> Result<Version, CallError> {
    Ok(Version::parse(&string(args, index)?.to_text())?)
}

fn semver(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(Value::Object(Rc::new(VersionObject { version: version(args, 0)?, is_pointer: true })))
}

fn semver_compare(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let constraints = Constraints::parse(&string(args, 0)?.to_text())?;
    Ok(Value::Bool(constraints.check(&version(args, 1)?)))
}

/// A version as templates see it: what `semver` gives is a pointer, what its methods give is a struct.
#[derive(Debug)]
struct VersionObject {
    version: Version,
    is_pointer: bool,
}

static PLAIN: Signature = Signature::fixed(&[]);
static OF_TEXT: Signature = Signature::fixed(&[Param::String]);
static OF_VERSION: Signature = Signature::fixed(&[Param::Object("*semver.Version")]);

impl Object for VersionObject {
    fn type_name(&self) -> Cow<'static, str> {
        Cow::Borrowed(if self.is_pointer { "*semver.Version" } else { "semver.Version" })
    }

    fn kind(&self) -> Kind {
        if self.is_pointer { Kind::Pointer } else { Kind::Struct }
    }

    fn method(&self, name: &str) -> Option<&Signature> {
        match name {
            "Major" | "Minor" | "Patch" | "Prerelease" | "Metadata" | "String" | "IncPatch" | "IncMinor"
            | "IncMajor" => Some(&PLAIN),
            "SetPrerelease" | "SetMetadata" => Some(&OF_TEXT),
            "Original" if self.is_pointer => Some(&PLAIN),
            "LessThan" | "LessThanEqual" | "GreaterThan" | "GreaterThanEqual" | "Equal" | "Compare"
                if self.is_pointer =>
            {
                Some(&OF_VERSION)
            }
            _ => None,
        }
    }

    fn call(&self, name: &str, arguments: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
        let version = &self.version;
        let number = |number: u64| Ok(Value::Uint(UintType::Uint64, number));
        match name {
            "Major" => number(version.major),
            "Minor" => number(version.minor),
            "Patch" => number(version.patch),
            "Prerelease" => Ok(Value::string(version.prerelease.as_str())),
            "Metadata" => Ok(Value::string(version.metadata.as_str())),
            "Original" => Ok(Value::string(version.original.as_str())),
            "String" => Ok(Value::string(version.to_string())),
            "IncPatch" => changed(version.next_patch()),
            "IncMinor" => changed(version.next_minor()),
            "IncMajor" => changed(version.next_major()),
            "SetPrerelease" => changed(version.with_prerelease(&string(arguments, 0)?.to_text())),
            "SetMetadata" => changed(version.with_metadata(&string(arguments, 0)?.to_text())),
            _ => self.compared(name, any(arguments, 0)?),
        }
    }

    fn plain(&self) -> Option<Value> {
        Some(Value::string(self.version.to_string()))
    }

    fn display(&self) -> Option<Str> {
        Some(Str::from(self.version.to_string()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl VersionObject {
    fn compared(&self, method: &str, other: &Value) -> Result<Value, CallError> {
        let Value::Object(other) = other else { return Err(CallError::new("a version is wanted")) };
        let other = other.as_any().downcast_ref::<Self>().ok_or_else(|| CallError::new("a version is wanted"))?;
        let order = self.version.compare(&other.version);
        Ok(Value::Bool(match method {
            "LessThan" => order == Ordering::Less,
            "LessThanEqual" => order != Ordering::Greater,
            "GreaterThan" => order == Ordering::Greater,
            "GreaterThanEqual" => order != Ordering::Less,
            "Equal" => order == Ordering::Equal,
            _ => return Ok(Value::int(order as i64)),
        }))
    }
}

fn changed(version: Result<Version, SemverError>) -> Result<Value, CallError> {
    Ok(Value::Object(Rc::new(VersionObject { version: version?, is_pointer: false })))
}
