//! Writes one value under one verb.

use super::number::{self, Base, Integer};
use super::pad::Flags;
use crate::limits::{Exceeded, MAX_NESTING};
use crate::strconv;
use crate::value::{FloatType, Kind, List, Map, Object, Str, UintType, Value};

/// Go's `pp`: the output, the flags of the current verb, and how much may be written.
pub(super) struct Printer<'o> {
    pub(super) out: &'o mut Vec<u8>,
    pub(super) flags: Flags,
    room: usize,
    /// inside `%!verb(...)`: methods are not asked
    erroring: bool,
}

type Done = Result<(), Exceeded>;

impl<'o> Printer<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>, room: usize) -> Self {
        let room = room.saturating_add(out.len());
        Self { out, flags: Flags::default(), room, erroring: false }
    }

    pub(super) fn write(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Go's `printArg`: a value given to `print` or `printf`.
    pub(super) fn print_argument(&mut self, value: &Value, verb: char) -> Done {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.flags.pad(self.out, b"<nil>"),
            (Value::Nil, _) => return self.bad_verb(value, verb),
            // only Go's Errorf knows %w; values that could have methods are refused whole
            (Value::List(_) | Value::Map(_) | Value::Time(_) | Value::Duration(_) | Value::Object(_), 'w') => {
                return self.bad_verb(value, verb);
            }
            (_, 'T') => self.plain_text(value.type_name().as_bytes()),
            _ => return self.print(value, verb, 0),
        }
        self.check()
    }

    fn check(&self) -> Done {
        if self.out.len() > self.room { Err(Exceeded::Output(self.room)) } else { Ok(()) }
    }

    /// Go's `printValue`.
    fn print(&mut self, value: &Value, verb: char, depth: usize) -> Done {
        if depth > MAX_NESTING {
            return Err(Exceeded::Nesting(MAX_NESTING));
        }
        match value {
            Value::Nil => self.nested_nil(),
            Value::Bool(value) if matches!(verb, 't' | 'v') => {
                self.flags.pad(self.out, if *value { b"true" } else { b"false" });
            }
            Value::Int(_, int) => return self.integer(value, Integer::from(*int), true, verb),
            Value::Uint(_, uint) => return self.integer(value, Integer::from(*uint), false, verb),
            Value::Float(of, float) if is_float_verb(verb) => number::float(self.out, &self.flags, *float, *of, verb),
            Value::Complex(parts) if is_float_verb(verb) => self.complex(parts.0, parts.1, verb),
            Value::String(text) => return self.string(value, text.as_bytes(), verb),
            Value::Bytes(bytes) => return self.bytes(value, bytes, verb, depth),
            Value::List(list) => return self.list(list, verb, depth),
            Value::Map(map) => return self.map(map, verb, depth),
            Value::Time(time) if is_text_verb(verb) => {
                return self.string(value, time.to_string().as_bytes(), verb);
            }
            Value::Duration(nanoseconds) => return self.duration(value, *nanoseconds, verb),
            Value::Object(object) => return self.object(value, object.as_ref(), verb, depth),
            Value::Closure(_) => self.pointer(),
            Value::Time(_) => self.write("{}"),
            Value::Bool(_) | Value::Float(..) | Value::Complex(_) => return self.bad_verb(value, verb),
        }
        self.check()
    }

    /// nil inside a list or map.
    fn nested_nil(&mut self) {
        self.write(if self.flags.sharp_v { "interface {}(nil)" } else { "<nil>" });
    }

    /// Go's note that a verb does not fit: `%!d(string=x)`.
    fn bad_verb(&mut self, value: &Value, verb: char) -> Done {
        self.write("%!");
        self.out.extend_from_slice(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.write("(");
        if matches!(value, Value::Nil) {
            self.write("<nil>");
        } else {
            self.write(&value.type_name());
            self.write("=");
            let erroring = std::mem::replace(&mut self.erroring, true);
            self.print(value, 'v', 0)?;
            self.erroring = erroring;
        }
        self.write(")");
        self.check()
    }

    fn integer(&mut self, value: &Value, integer: Integer, signed: bool, verb: char) -> Done {
        let base = match verb {
            'v' if self.flags.sharp_v && !signed => return self.go_hex(integer.magnitude),
            'v' | 'd' => Base::Decimal,
            'b' => Base::Binary,
            'o' => Base::Octal,
            'O' => Base::OctalPrefixed,
            'x' => Base::Hex,
            'X' => Base::UpperHex,
            'c' | 'q' | 'U' => return self.rune(integer, verb),
            _ => return self.bad_verb(value, verb),
        };
        number::integer(self.out, &self.flags, integer, base);
        self.check()
    }

    /// `0x1f`, as `%#v` shows unsigned numbers.
    fn go_hex(&mut self, magnitude: u64) -> Done {
        let flags = Flags { sharp: true, ..self.flags };
        number::integer(self.out, &flags, Integer::from(magnitude), Base::Hex);
        self.check()
    }

    fn rune(&mut self, integer: Integer, verb: char) -> Done {
        let rune = number::rune(integer);
        match verb {
            'c' => self.flags.pad(self.out, rune.encode_utf8(&mut [0; 4]).as_bytes()),
            'q' => self.flags.pad(self.out, strconv::quote_rune(rune, self.flags.plus).as_bytes()),
            _ => {
                let code = if integer.negative { integer.magnitude.wrapping_neg() } else { integer.magnitude };
                number::unicode(self.out, &self.flags, code);
            }
        }
        self.check()
    }

    fn complex(&mut self, real: f64, imaginary: f64, verb: char) {
        self.write("(");
        number::float(self.out, &self.flags, real, FloatType::Float64, verb);
        let flags = Flags { plus: true, ..self.flags };
        number::float(self.out, &flags, imaginary, FloatType::Float64, verb);
        self.write("i)");
    }

    fn plain_text(&mut self, text: &[u8]) {
        let text = self.flags.truncate(text);
        self.flags.pad(self.out, text);
    }

    fn string(&mut self, value: &Value, text: &[u8], verb: char) -> Done {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.plain_text(text),
            'x' => self.hex(text, b"0123456789abcdefx"),
            'X' => self.hex(text, b"0123456789ABCDEFX"),
            'q' => self.quoted(text),
            _ => return self.bad_verb(value, verb),
        }
        self.check()
    }

    fn quoted(&mut self, text: &[u8]) {
        let text = self.flags.truncate(text);
        let quoted = if self.flags.sharp && strconv::can_backquote(text) {
            format!("`{}`", String::from_utf8_lossy(text))
        } else if self.flags.plus {
            strconv::quote_ascii(text)
        } else {
            strconv::quote(text)
        };
        self.flags.pad(self.out, quoted.as_bytes());
    }

    /// `%x` of a string: two digits a byte.
    fn hex(&mut self, text: &[u8], digits: &[u8; 17]) {
        let text = &text[..self.flags.precision.unwrap_or(text.len()).min(text.len())];
        let mut encoded = Vec::with_capacity(text.len() * 2);
        for (index, byte) in text.iter().enumerate() {
            if self.flags.space && index > 0 {
                encoded.push(b' ');
            }
            if self.flags.sharp && (self.flags.space || index == 0) {
                encoded.extend([b'0', digits[16]]);
            }
            encoded.extend([digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
        }
        self.flags.pad(self.out, &encoded);
    }

    fn bytes(&mut self, value: &Value, bytes: &[u8], verb: char, depth: usize) -> Done {
        match verb {
            's' | 'q' | 'x' | 'X' => self.string(value, bytes, verb),
            'v' | 'd' if self.flags.sharp_v => {
                self.write(if depth == 0 { "[]byte{" } else { "[]uint8{" });
                self.separated(bytes, ", ", |printer, byte| printer.go_hex(u64::from(*byte)))?;
                self.write("}");
                Ok(())
            }
            _ => {
                let (open, close) = if self.flags.sharp_v { ("[]uint8{", "}") } else { ("[", "]") };
                self.write(open);
                self.separated(bytes, self.separator(), |printer, byte| {
                    let byte = u64::from(*byte);
                    let value = Value::Uint(UintType::Uint8, byte);
                    printer.integer(&value, Integer::from(byte), false, verb)
                })?;
                self.write(close);
                Ok(())
            }
        }
    }

    fn separated<T>(&mut self, items: &[T], separator: &str, print: impl Fn(&mut Self, &T) -> Done) -> Done {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.write(separator);
            }
            print(self, item)?;
        }
        self.check()
    }

    fn separator(&self) -> &'static str {
        if self.flags.sharp_v { ", " } else { " " }
    }

    fn list(&mut self, list: &List, verb: char, depth: usize) -> Done {
        if self.flags.sharp_v {
            self.write(&list.element().slice_name());
            if list.is_nil() {
                self.write("(nil)");
                return Ok(());
            }
        }
        self.write(if self.flags.sharp_v { "{" } else { "[" });
        self.separated(&list.items(), self.separator(), |printer, item| printer.print(item, verb, depth + 1))?;
        self.write(if self.flags.sharp_v { "}" } else { "]" });
        Ok(())
    }

    fn map(&mut self, map: &Map, verb: char, depth: usize) -> Done {
        if !self.flags.sharp_v {
            self.write("map[");
        } else {
            self.write(map.of().name());
            self.write(if map.is_nil() { "(nil)" } else { "{" });
        }
        for (index, (key, item)) in map.entries().iter().enumerate() {
            if index > 0 {
                self.write(self.separator());
            }
            self.string(&Value::String(key.clone()), key.as_bytes(), verb)?;
            self.write(":");
            self.print(item, verb, depth + 1)?;
        }
        if !(self.flags.sharp_v && map.is_nil()) {
            self.write(if self.flags.sharp_v { "}" } else { "]" });
        }
        self.check()
    }

    fn duration(&mut self, value: &Value, nanoseconds: i64, verb: char) -> Done {
        if is_text_verb(verb) && !self.erroring && !self.flags.sharp_v {
            return self.string(value, crate::duration::format(nanoseconds).as_bytes(), verb);
        }
        self.integer(value, Integer::from(nanoseconds), true, verb)
    }

    fn object(&mut self, value: &Value, object: &dyn Object, verb: char, depth: usize) -> Done {
        let asks = is_text_verb(verb) && !self.erroring && !self.flags.sharp_v;
        if let Some(text) = object.display().filter(|_| asks) {
            return self.string(value, text.as_bytes(), verb);
        }
        if object.kind() == Kind::Pointer {
            if depth > 0 {
                self.pointer();
                return Ok(());
            }
            self.write("&");
        }
        match (object.fields(), object.plain()) {
            (Some(fields), _) => self.fields(object, &fields, verb, depth + 1),
            (None, Some(plain)) => self.print(&plain, verb, depth + 1),
            (None, None) => {
                self.write("{}");
                Ok(())
            }
        }
    }

    /// A struct: `{a b}`, with `%+v` `{X:a Y:b}`.
    fn fields(&mut self, object: &dyn Object, fields: &[(Str, Value)], verb: char, depth: usize) -> Done {
        if self.flags.sharp_v {
            self.write(object.type_name().trim_start_matches('*'));
        }
        self.write("{");
        let named = self.flags.plus_v || self.flags.sharp_v;
        self.separated(fields, self.separator(), |printer, (name, field)| {
            if named {
                printer.out.extend_from_slice(name.as_bytes());
                printer.write(":");
            }
            printer.print(field, verb, depth)
        })?;
        self.write("}");
        Ok(())
    }

    /// Addresses differ from run to run in Go; here they are always the same.
    fn pointer(&mut self) {
        self.write("0xc000000000");
    }
}

fn is_float_verb(verb: char) -> bool {
    matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E')
}

/// The verbs under which Go asks a value for its `String()` or `Error()`.
fn is_text_verb(verb: char) -> bool {
    matches!(verb, 'v' | 's' | 'x' | 'X' | 'q')
}
