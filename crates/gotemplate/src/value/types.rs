//! Names of Go's types and kinds, as templates can see them.

/// Go's signed integer types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntType {
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
}

/// Go's unsigned integer types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UintType {
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
}

/// Go's floating-point types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatType {
    Float32,
    Float64,
}

/// What a Go slice holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// `interface {}`
    Any,
    String,
    Int,
    /// any other type, by its printed name: `[]interface {}`
    Named(&'static str),
}

/// The type of a map with string keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType {
    /// `map[string]interface {}`
    Any,
    /// `map[string]string`
    String,
    /// a named type over `map[string]interface {}`, such as `common.Values`
    Named(&'static str),
}

/// Go's `reflect.Kind` of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Invalid,
    Bool,
    Int(IntType),
    Uint(UintType),
    Float(FloatType),
    Complex,
    String,
    Slice,
    Map,
    Struct,
    Pointer,
    Func,
}

impl IntType {
    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
        }
    }
}

impl UintType {
    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uint => "uint",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
        }
    }
}

impl FloatType {
    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }
}

impl ElementType {
    /// The name of the slice type over this element.
    pub fn slice_name(self) -> String {
        match self {
            Self::Any => "[]interface {}".to_owned(),
            Self::String => "[]string".to_owned(),
            Self::Int => "[]int".to_owned(),
            Self::Named(name) => format!("[]{name}"),
        }
    }
}

impl MapType {
    /// The type's name in Go.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "map[string]interface {}",
            Self::String => "map[string]string",
            Self::Named(name) => name,
        }
    }
}

impl Kind {
    /// The kind's name, as sprig's `kindOf` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int(int) => int.name(),
            Self::Uint(uint) => uint.name(),
            Self::Float(float) => float.name(),
            Self::Complex => "complex128",
            Self::String => "string",
            Self::Slice => "slice",
            Self::Map => "map",
            Self::Struct => "struct",
            Self::Pointer => "ptr",
            Self::Func => "func",
        }
    }
}
