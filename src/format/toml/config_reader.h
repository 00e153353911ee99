// Reads TOML tables key by key, strictly, and remembers what nobody asked for. It includes toml++: only sources that
// parse include it.
#pragma once

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <chrono>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"

namespace minato {

// The faults of the whole file, in the order they were met.
class ConfigFaults {
 public:
  explicit ConfigFaults(std::string_view file_name) : file_name_(file_name) {}
  void add(const toml::source_region& where, std::string_view key, std::string_view fault);
  bool empty() const { return text_.empty(); }
  const std::string& text() const { return text_; }

 private:
  std::string file_name_;
  std::string text_;
};

class ConfigSection {
 public:
  ConfigSection(const toml::table& table, std::string path, ConfigFaults& faults)
      : table_(table), path_(std::move(path)), faults_(faults) {}

  void read(std::string_view key, std::string& into);
  void read(std::string_view key, bool& into);
  void read(std::string_view key, std::vector<std::string>& into);
  void read_one_of(std::string_view key, std::string& into, const std::vector<std::string_view>& allowed);
  template <typename Int>
  void read_integer(std::string_view key, Int& into, std::int64_t min, std::int64_t max) {
    std::int64_t value = static_cast<std::int64_t>(into);
    if (integer(key, value, min, max)) into = static_cast<Int>(value);
  }
  // "500ms", "30s", "10m", "2h", "7d".
  template <typename D>
  void read_duration(std::string_view key, D& into) {
    std::chrono::milliseconds value = std::chrono::duration_cast<std::chrono::milliseconds>(into);
    if (duration(key, value)) into = std::chrono::duration_cast<D>(value);
  }
  // "64MiB", "1GiB", "4096".
  void read_bytes(std::string_view key, std::uint64_t& into, std::uint64_t min, std::uint64_t max);
  // "+09:00"
  void read_utc_offset(std::string_view key, int& minutes);

  // A table of strings with any keys, in the order of the keys.
  void read_map(std::string_view key, std::vector<std::pair<std::string, std::string>>& into);

  // Calls visit(section) for the table at `key`, if there is one.
  template <typename Visit>
  void section(std::string_view key, Visit visit) {
    if (const toml::node* node = take(key)) {
      if (const toml::table* table = node->as_table()) {
        ConfigSection inner(*table, path_of(key), faults_);
        visit(inner);
        inner.finish();
      } else {
        fault(*node, key, "must be a table: [" + path_of(key) + "]");
      }
    }
  }
  // Calls visit(section) for each table of the array at `key`.
  template <typename Visit>
  void sections(std::string_view key, Visit visit) {
    const toml::node* node = take(key);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr) return fault(*node, key, "must be an array of tables: [[" + path_of(key) + "]]");
    for (const toml::node& element : *array) {
      const toml::table* table = element.as_table();
      if (table == nullptr) {
        fault(element, key, "must be a table");
        continue;
      }
      ConfigSection inner(*table, path_of(key), faults_);
      visit(inner);
      inner.finish();
    }
  }
  // A fault of what was read at `key`, with its line; of the section if the key is not there.
  void fault_at(std::string_view key, std::string_view text) {
    const toml::node* node = table_.get(key);
    node == nullptr ? fault_here(text) : fault(*node, key, text);
  }
  bool has(std::string_view key) const { return table_.contains(key); }
  // A fault of the whole section.
  void fault_here(std::string_view text) { faults_.add(table_.source(), path_, text); }
  // Reports every key that was never asked for.
  void finish();
  void fault(const toml::node& node, std::string_view key, std::string_view text) {
    faults_.add(node.source(), path_of(key), text);
  }

 private:
  const toml::node* take(std::string_view key);
  bool integer(std::string_view key, std::int64_t& into, std::int64_t min, std::int64_t max);
  bool duration(std::string_view key, std::chrono::milliseconds& into);
  std::string path_of(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  }
  std::string nearest_known(std::string_view key) const;

  const toml::table& table_;
  std::string path_;
  ConfigFaults& faults_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace minato
