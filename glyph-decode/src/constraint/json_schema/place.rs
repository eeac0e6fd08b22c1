//! Where in the JSON an output stands.

/// Where in the JSON the output stands.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) in_string: bool,
    escaped: bool,
    /// How many digits, points and signs are at the end, outside strings.
    pub(super) number: usize,
    last: u8,
    /// What the open string holds so far.
    pub(super) content: Vec<u8>,
}

impl Place {
    pub(super) fn push(&mut self, byte: u8) {
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.content.push(byte);
            self.escaped = !self.escaped && byte == b'\\';
        } else {
            self.in_string = byte == b'"';
            self.content.clear();
            self.number = if is_of_number(byte) {
                self.number + 1
            } else {
                0
            };
        }
        self.last = byte;
    }

    pub(super) fn after_digit(&self) -> bool {
        !self.in_string && self.last.is_ascii_digit()
    }
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
}

/// How many digits, points and signs the bytes begin with.
pub(super) fn number_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| is_of_number(**b)).count()
}
