//! Names of columns as people write them above a table.

/// A header as it is compared: case, spaces at the ends and repeated spaces (line breaks in the cell, too) do not count.
pub fn plain(name: &str) -> String {
    let words: Vec<String> = name.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}
