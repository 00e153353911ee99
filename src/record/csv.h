// Reads and writes comma-separated values (RFC 4180): fields in quotes may hold commas, line ends and doubled quotes;
// lines end in CRLF or LF; a byte order mark at the front is skipped. Stricter where spreadsheets go wrong silently:
// UTF-8 only, and every row has as many fields as the header.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace minato {

struct CsvRow {
  std::size_t line = 0;  // where it begins, from 1
  std::vector<std::string> fields;
};

// kRefused: not UTF-8, a quote out of place, an unended quote; the text says in which line. Empty lines are left out.
Result<std::vector<CsvRow>> parse_csv(std::string_view text);

// Faults of a file, gathered so that a person can mend all of them at once.
class CsvFaults {
 public:
  void add(std::size_t line, std::string what);
  bool none() const { return count_ == 0; }
  // kRefused: "line 3: mails: not an address; line 7: …", at most kRegistryCsvFaultsShown of them, and how many there
  // are.
  std::unexpected<Error> error() const;

 private:
  std::size_t count_ = 0;
  std::string text_;
};

// A file with a header: its columns are found by name.
class CsvTable {
 public:
  // kRefused: as parse_csv; an unknown, repeated or missing column; a row with another number of fields.
  // kTooLarge: more rows than kRegistryCsvRowsMax. `required` are among `known`.
  static Result<CsvTable> parse(std::string_view text, std::span<const std::string_view> known,
                                std::span<const std::string_view> required);
  std::size_t rows() const { return rows_.size(); }
  std::size_t line(std::size_t row) const { return rows_[row].line; }
  bool has(std::string_view column) const { return index_of(column) < columns_.size(); }
  // Without blanks at both ends; "" when the file has no such column.
  std::string_view field(std::size_t row, std::string_view column) const;

 private:
  std::size_t index_of(std::string_view column) const;
  std::vector<std::string> columns_;
  std::vector<CsvRow> rows_;
};

// One line with its CRLF; quotes only where they are needed.
void append_csv_row(std::string& out, std::span<const std::string> fields);

}  // namespace minato
