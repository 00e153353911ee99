#include "format/toml/config_reader.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace minato {
namespace {

// A number and the unit behind it: "30s" → 30, "s".
std::optional<std::pair<std::uint64_t, std::string_view>> number_and_unit(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return std::pair(value, text.substr(static_cast<std::size_t>(end - text.data())));
}

std::optional<std::uint64_t> factor_of(std::string_view unit,
                                       const std::vector<std::pair<std::string_view, std::uint64_t>>& units) {
  for (const auto& [name, factor] : units) {
    if (unit == name) return factor;
  }
  return std::nullopt;
}

// Levenshtein distance; keys are short.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

void ConfigFaults::add(const toml::source_region& where, std::string_view key, std::string_view fault) {
  if (!text_.empty()) text_ += '\n';
  text_ += file_name_ + ":" + std::to_string(where.begin.line) + ": " + std::string(key) + ": " + std::string(fault);
}

const toml::node* ConfigSection::take(std::string_view key) {
  asked_.emplace(key);
  return table_.get(key);
}

void ConfigSection::read(std::string_view key, std::string& into) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  if (const auto value = node->value_exact<std::string>()) {
    into = *value;
  } else {
    fault(*node, key, "must be a string");
  }
}

void ConfigSection::read(std::string_view key, bool& into) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  if (const auto value = node->value_exact<bool>()) {
    into = *value;
  } else {
    fault(*node, key, "must be true or false");
  }
}

void ConfigSection::read(std::string_view key, std::vector<std::string>& into) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr) return fault(*node, key, "must be an array of strings");
  into.clear();
  for (const toml::node& element : *array) {
    if (const auto value = element.value_exact<std::string>()) {
      into.push_back(*value);
    } else {
      fault(element, key, "must be an array of strings");
    }
  }
}

void ConfigSection::read_map(std::string_view key, std::vector<std::pair<std::string, std::string>>& into) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  const toml::table* table = node->as_table();
  if (table == nullptr) return fault(*node, key, "must be a table of strings");
  into.clear();
  for (const auto& [name, element] : *table) {
    if (const auto value = element.value_exact<std::string>()) {
      into.emplace_back(std::string(name.str()), *value);
    } else {
      fault(element, key, "must be a table of strings");
    }
  }
}

void ConfigSection::read_one_of(std::string_view key, std::string& into, const std::vector<std::string_view>& allowed) {
  read(key, into);
  if (!has(key) || std::ranges::find(allowed, into) != allowed.end()) return;
  std::string text = "must be one of:";
  for (const std::string_view word : allowed) text += " " + std::string(word);
  fault(*table_.get(key), key, text);
}

bool ConfigSection::integer(std::string_view key, std::int64_t& into, std::int64_t min, std::int64_t max) {
  const toml::node* node = take(key);
  if (node == nullptr) return false;
  const auto value = node->value_exact<std::int64_t>();
  if (!value || *value < min || *value > max) {
    fault(*node, key, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    return false;
  }
  into = *value;
  return true;
}

bool ConfigSection::duration(std::string_view key, std::chrono::milliseconds& into) {
  const toml::node* node = take(key);
  if (node == nullptr) return false;
  const auto text = node->value_exact<std::string>();
  const auto parts = text ? number_and_unit(*text) : std::nullopt;
  const auto factor =
      parts ? factor_of(parts->second, {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}})
            : std::nullopt;
  if (!factor || parts->first > 36'500) {
    // The count is bounded, so that no unit overflows; nobody waits 36,500 of anything that a larger unit says better.
    fault(*node, key, "must be a time such as \"500ms\", \"30s\", \"10m\", \"2h\" or \"7d\" (number at most 36500)");
    return false;
  }
  into = std::chrono::milliseconds(static_cast<std::int64_t>(parts->first * *factor));
  return true;
}

void ConfigSection::read_bytes(std::string_view key, std::uint64_t& into, std::uint64_t min, std::uint64_t max) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  std::optional<std::uint64_t> bytes;
  if (const auto number = node->value_exact<std::int64_t>(); number && *number >= 0) {
    bytes = static_cast<std::uint64_t>(*number);
  } else if (const auto text = node->value_exact<std::string>()) {
    const auto parts = number_and_unit(*text);
    const auto factor =
        parts ? factor_of(parts->second, {{"", 1}, {"KiB", kKiB}, {"MiB", kMiB}, {"GiB", 1024 * kMiB}}) : std::nullopt;
    if (factor && parts->first <= std::numeric_limits<std::uint64_t>::max() / *factor) bytes = parts->first * *factor;
  }
  if (!bytes || *bytes < min || *bytes > max) {
    return fault(
        *node, key,
        "must be a size such as \"64MiB\", from " + std::to_string(min) + " to " + std::to_string(max) + " bytes");
  }
  into = *bytes;
}

void ConfigSection::read_utc_offset(std::string_view key, int& minutes) {
  const toml::node* node = take(key);
  if (node == nullptr) return;
  const auto text = node->value_exact<std::string>();
  const auto digit = [&](std::size_t at) {
    return (*text)[at] >= '0' && (*text)[at] <= '9' ? (*text)[at] - '0' : -100;
  };
  if (text && text->size() == 6 && ((*text)[0] == '+' || (*text)[0] == '-') && (*text)[3] == ':') {
    const int hour = digit(1) * 10 + digit(2);
    const int minute = digit(4) * 10 + digit(5);
    if (hour >= 0 && hour <= 14 && minute >= 0 && minute < 60) {
      minutes = ((*text)[0] == '-' ? -1 : 1) * (hour * 60 + minute);
      return;
    }
  }
  fault(*node, key, "must be an offset from UTC such as \"+09:00\"");
}

std::string ConfigSection::nearest_known(std::string_view key) const {
  std::string best;
  std::size_t best_distance = 3;  // further off is no misspelling
  for (const std::string& known : asked_) {
    const std::size_t d = distance(key, known);
    if (d < best_distance) {
      best_distance = d;
      best = known;
    }
  }
  return best;
}

void ConfigSection::finish() {
  for (const auto& [key, node] : table_) {
    if (asked_.contains(key.str())) continue;
    const std::string nearest = nearest_known(key.str());
    fault(node, key.str(), nearest.empty() ? "unknown key" : "unknown key (did you mean " + nearest + "?)");
  }
}

}  // namespace minato
