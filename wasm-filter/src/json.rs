//! A reader for the JSON of configurations.
//!
//! The members are read straight into the configuration's fields; there are no values in between and
//! no floating-point numbers. `serde_json` here was 72 KB of a module of 450 KB, most of it the
//! parsing and printing of floats that error messages name; tests hold both equal.

/// The deepest nesting; what is skipped is nothing, so a configuration has three levels.
const MAX_DEPTH: u8 = 8;

/// Why JSON is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    what: String,
    line: usize,
    column: usize,
}

/// A place in JSON text.
#[derive(Debug)]
pub(crate) struct Reader<'j> {
    text: &'j str,
    at: usize,
    depth: u8,
}

// === impl JsonError ===

impl core::fmt::Display for JsonError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { what, line, column } = self;
        write!(f, "{what} at line {line} column {column}")
    }
}

// === impl Reader ===

impl<'j> Reader<'j> {
    /// Reads one value, and nothing but space behind it.
    pub(crate) fn read<T>(
        json: &'j [u8],
        read: impl FnOnce(&mut Self) -> Result<T, JsonError>,
    ) -> Result<T, JsonError> {
        let text = core::str::from_utf8(json);
        let mut reader = Self {
            text: text.unwrap_or_default(),
            at: 0,
            depth: 0,
        };
        if text.is_err() {
            return Err(reader.error("text that is not UTF-8"));
        }
        let value = read(&mut reader)?;
        match reader.peek() {
            None => Ok(value),
            Some(_) => Err(reader.error("something behind the end")),
        }
    }

    /// An error at this place.
    pub(crate) fn error(&self, what: impl Into<String>) -> JsonError {
        let before = self.text.as_bytes().get(..self.at).unwrap_or_default();
        let mut lines = before.split(|byte| *byte == b'\n');
        JsonError {
            what: what.into(),
            line: lines.clone().count(),
            column: lines.next_back().map_or(0, <[u8]>::len) + 1,
        }
    }

    /// A field that is not known, or is there a second time.
    pub(crate) fn unexpected(&self, name: &str) -> JsonError {
        self.error(format!("unknown or repeated field `{name}`"))
    }

    /// An object: `member` reads the value of each name.
    pub(crate) fn object(
        &mut self,
        member: &mut dyn FnMut(&mut Self, &str) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.open(b'{', "not an object")?;
        let mut first = true;
        while self.next(b'}', &mut first)? {
            let name = self.string()?;
            self.expect(b':', "no `:`")?;
            member(self, &name)?;
        }
        Ok(())
    }

    /// A list: `item` reads each item.
    pub(crate) fn list(
        &mut self,
        item: &mut dyn FnMut(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.open(b'[', "not a list")?;
        let mut first = true;
        while self.next(b']', &mut first)? {
            item(self)?;
        }
        Ok(())
    }

    /// A whole number of this range.
    pub(crate) fn number(&mut self, from: u32, to: u32) -> Result<u32, JsonError> {
        self.peek();
        let rest = self.rest();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = self.text.get(self.at..self.at + digits).unwrap_or_default();
        let whole = !matches!(rest.get(digits), Some(b'.' | b'e' | b'E'))
            && (digits == 1 || !text.starts_with('0'));
        let number = text.parse().ok();
        match number.filter(|number| whole && (from..=to).contains(number)) {
            Some(number) => {
                self.at += digits;
                Ok(number)
            }
            None => Err(self.error(format!("no whole number from {from} to {to}"))),
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self) -> Result<bool, JsonError> {
        self.peek();
        for (word, value) in [("true", true), ("false", false)] {
            if self.rest().starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.error("neither true nor false"))
    }

    /// A text.
    pub(crate) fn string(&mut self) -> Result<String, JsonError> {
        self.expect(b'"', "not a text")?;
        let mut out = String::new();
        loop {
            let mut chars = self.text.get(self.at..).unwrap_or_default().chars();
            let Some(next) = chars.next() else {
                return Err(self.error("a text without end"));
            };
            match next {
                '"' => {
                    self.at += 1;
                    return Ok(out);
                }
                '\\' => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                next if next < ' ' => return Err(self.error("a control character in a text")),
                next => {
                    self.at += next.len_utf8();
                    out.push(next);
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let Some(kind) = self.rest().first().copied() else {
            return Err(self.error("a text without end"));
        };
        let plain = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.error("an unknown escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// The rest of `\uXXXX`, or of two that are a surrogate pair.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let mut code = self.hex()?;
        if (0xd800..0xdc00).contains(&code) && self.rest().starts_with(b"\\u") {
            self.at += 2;
            let low = self.hex()?;
            if !(0xdc00..0xe000).contains(&low) {
                return Err(self.error("half a surrogate pair"));
            }
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        char::from_u32(code).ok_or_else(|| self.error("half a surrogate pair"))
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.rest().first().map(|byte| char::from(*byte));
            let Some(digit) = digit.and_then(|digit| digit.to_digit(16)) else {
                return Err(self.error("not four hex digits"));
            };
            code = code << 4 | digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn rest(&self) -> &'j [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest();
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.at += rest.iter().take_while(|byte| space(byte)).count();
        self.rest().first().copied()
    }

    fn expect(&mut self, byte: u8, missing: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.error(missing));
        }
        self.at += 1;
        Ok(())
    }

    fn open(&mut self, byte: u8, missing: &'static str) -> Result<(), JsonError> {
        self.expect(byte, missing)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("too many levels"));
        }
        Ok(())
    }

    /// Is there one more before `end`? Takes the comma, or the end.
    fn next(&mut self, end: u8, first: &mut bool) -> Result<bool, JsonError> {
        let first = core::mem::replace(first, false);
        match self.peek() {
            Some(byte) if byte == end => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                match self.peek() {
                    Some(byte) if byte == end => Err(self.error("a comma before the end")),
                    _ => Ok(true),
                }
            }
            Some(_) if first => Ok(true),
            _ => Err(self.error("neither a comma nor the end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Objects, lists, texts, booleans and numbers up to 1000, as the reader takes them.
    fn any(reader: &mut Reader<'_>) -> Result<Value, JsonError> {
        Ok(match reader.peek() {
            Some(b'{') => {
                let mut members = serde_json::Map::new();
                reader.object(&mut |reader, name| {
                    members.insert(name.to_owned(), any(reader)?);
                    Ok(())
                })?;
                Value::Object(members)
            }
            Some(b'[') => {
                let mut items = Vec::new();
                reader.list(&mut |reader| {
                    items.push(any(reader)?);
                    Ok(())
                })?;
                Value::Array(items)
            }
            Some(b'"') => Value::String(reader.string()?),
            Some(b't' | b'f') => Value::Bool(reader.boolean()?),
            _ => Value::from(reader.number(0, 1000)?),
        })
    }

    const GOOD: [&str; 9] = [
        r#"{"a":1,"b":[true,false,[]],"c":{"d":"x"}}"#,
        " [ 1 , 2 ,\t3\r\n] ",
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u0041\u00e9\ud83e\udd8d\uD83E\uDD8D""#,
        r#""é🦍""#,
        "0",
        "1000",
        "{}",
        r#"{"":""}"#,
    ];

    #[test]
    fn json_is_read_as_serde_json_reads_it() {
        for json in GOOD {
            let expected: Value = serde_json::from_str(json).unwrap();
            assert_eq!(Reader::read(json.as_bytes(), any), Ok(expected), "{json}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_wherever_it_is_damaged() {
        let damage = [
            "", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", ".", "\u{1}", "x",
        ];
        let mut refused = 0;
        for json in GOOD {
            for at in (0..=json.len()).filter(|at| json.is_char_boundary(*at)) {
                let next = (at + 1..=json.len()).find(|at| json.is_char_boundary(*at));
                for with in damage {
                    for rest in [at, next.unwrap_or(at)] {
                        let damaged = [&json[..at], with, &json[rest..]].concat();
                        let read = Reader::read(damaged.as_bytes(), any);
                        match (read, serde_json::from_str::<Value>(&damaged)) {
                            (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{damaged}"),
                            // Null, fractions and larger numbers are not in a configuration.
                            (Err(_), _) => refused += 1,
                            (Ok(read), Err(error)) => panic!("{damaged}: {read} but {error}"),
                        }
                    }
                }
            }
        }
        assert!(refused > 1000, "{refused}");
    }

    #[test]
    fn an_error_says_where() {
        let error = Reader::read(b"{\n  \"a\": x}", any).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no whole number from 0 to 1000 at line 2 column 8"
        );
        let deep = [b'['; 9];
        let error = Reader::read(&deep, any).unwrap_err();
        assert!(error.to_string().starts_with("too many levels"), "{error}");
    }
}
