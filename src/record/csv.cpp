#include "record/csv.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/limits.h"

namespace minato {
namespace {

std::unexpected<Error> bad_line(std::size_t line, std::string_view what) {
  return fail(Errc::kRefused, "line " + std::to_string(line) + ": " + std::string(what));
}

// One walk over the text; `line_` counts the line that the next byte stands in.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  Result<std::vector<CsvRow>> read();

 private:
  bool at_end() const { return at_ == text_.size(); }
  Status read_field(CsvRow& row);
  Status read_quoted(std::string& field);
  bool skip_line_end();

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

Result<std::vector<CsvRow>> Reader::read() {
  std::vector<CsvRow> rows;
  while (!at_end()) {
    if (skip_line_end()) continue;
    CsvRow row{line_, {}};
    MN_CHECK(read_field(row));
    while (!at_end() && text_[at_] == ',') {
      ++at_;
      MN_CHECK(read_field(row));
    }
    if (!at_end() && !skip_line_end()) return bad_line(line_, "something follows a closing quote");
    rows.push_back(std::move(row));
  }
  return rows;
}

bool Reader::skip_line_end() {
  const auto rest = text_.substr(at_);
  const std::size_t length = rest.starts_with("\r\n") ? 2 : (rest.starts_with('\n') || rest.starts_with('\r')) ? 1 : 0;
  at_ += length;
  line_ += length > 0 ? 1 : 0;
  return length > 0;
}

Status Reader::read_field(CsvRow& row) {
  std::string& field = row.fields.emplace_back();
  if (!at_end() && text_[at_] == '"') return read_quoted(field);
  const auto end = std::min(text_.find_first_of(",\r\n", at_), text_.size());
  field = text_.substr(at_, end - at_);
  if (field.find('"') != std::string::npos) return bad_line(line_, "a quote inside a field that is not quoted");
  at_ = end;
  return {};
}

Status Reader::read_quoted(std::string& field) {
  const std::size_t begun = line_;
  for (++at_; !at_end(); ++at_) {
    if (text_[at_] == '"') {
      ++at_;
      if (at_end() || text_[at_] != '"') return {};
    }
    if (text_[at_] == '\n') ++line_;
    field += text_[at_];
  }
  return bad_line(begun, "a quote is not closed");
}

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

Result<std::vector<CsvRow>> parse_csv(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (!is_utf8(text)) return fail(Errc::kRefused, "the file is not UTF-8");
  return Reader(text).read();
}

void CsvFaults::add(std::size_t line, std::string what) {
  if (++count_ > kRegistryCsvFaultsShown) return;
  if (!text_.empty()) text_ += "; ";
  text_ += "line " + std::to_string(line) + ": " + what;
}

std::unexpected<Error> CsvFaults::error() const {
  if (count_ <= kRegistryCsvFaultsShown) return fail(Errc::kRefused, text_);
  return fail(Errc::kRefused, text_ + "; and " + std::to_string(count_ - kRegistryCsvFaultsShown) + " more");
}

Result<CsvTable> CsvTable::parse(std::string_view text, std::span<const std::string_view> known,
                                 std::span<const std::string_view> required) {
  MN_TRY(rows, parse_csv(text));
  if (rows.empty()) return fail(Errc::kRefused, "line 1: the header is missing");
  if (rows.size() - 1 > kRegistryCsvRowsMax) return fail(Errc::kTooLarge, "too many rows");
  CsvTable table;
  CsvFaults faults;
  for (std::size_t i = 0; i < rows.front().fields.size(); ++i) {
    const std::string column(trim(rows.front().fields[i]));
    if (!contains(known, column)) faults.add(rows.front().line, "unknown column " + std::to_string(i + 1));
    if (table.has(column)) faults.add(rows.front().line, "column " + std::to_string(i + 1) + " is there twice");
    table.columns_.push_back(column);
  }
  for (const auto column : required) {
    if (!table.has(column)) faults.add(rows.front().line, "column " + std::string(column) + " is missing");
  }
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].fields.size() != table.columns_.size()) {
      faults.add(rows[i].line, std::to_string(rows[i].fields.size()) + " fields, but the header has " +
                                   std::to_string(table.columns_.size()));
    }
    table.rows_.push_back(std::move(rows[i]));
  }
  if (!faults.none()) return faults.error();
  return table;
}

std::size_t CsvTable::index_of(std::string_view column) const {
  return static_cast<std::size_t>(std::ranges::find(columns_, column) - columns_.begin());
}

std::string_view CsvTable::field(std::size_t row, std::string_view column) const {
  const auto index = index_of(column);
  return index < columns_.size() ? trim(rows_[row].fields[index]) : std::string_view();
}

void append_csv_row(std::string& out, std::span<const std::string> fields) {
  bool first = true;
  for (const auto& field : fields) {
    if (!first) out += ',';
    first = false;
    const bool quoted = field.find_first_of(",\"\r\n") != std::string::npos || field != trim(field);
    if (!quoted) {
      out += field;
      continue;
    }
    out += '"';
    for (const char c : field) out.append(c == '"' ? 2 : 1, c);
    out += '"';
  }
  out += "\r\n";
}

}  // namespace minato
