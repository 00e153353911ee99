// A table for a person's terminal: columns as wide as their widest cell, wide characters counted as two.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace minato {

class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // Lines end in \n; the header is first, an empty table prints the header only.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Columns that the UTF-8 text takes on a terminal: 2 for East Asian wide and full-width characters, 0 for combining
// marks.
std::size_t display_width(std::string_view utf8);

}  // namespace minato
