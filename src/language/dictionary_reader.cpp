// Reading the table and making the trie.
#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "language/dictionary.h"
#include "language/fold.h"

namespace minato::language {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    out.push_back(trimmed(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return out;
}

std::size_t code_points(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::ranges::count_if(utf8, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::optional<Category> category_named(std::string_view text) {
  if (text == "condition") return Category::kCondition;
  if (text == "symptom") return Category::kSymptom;
  if (text == "medication") return Category::kMedication;
  return std::nullopt;
}

}  // namespace

class DictionaryReader {
 public:
  Result<Dictionary> read(std::string_view tsv) {
    if (tsv.size() > kDictionaryBytesMax) return fail(Errc::kTooLarge, "dictionary is over its limit");
    std::size_t number = 0;
    for (const std::string_view line : split(tsv, '\n')) {
      ++number;
      if (line.empty() || line.front() == '#') continue;
      if (auto status = take_line(line); !status) {
        return context("dictionary line " + std::to_string(number), status.error());
      }
    }
    std::ranges::sort(keys_);
    MN_CHECK(drop_repeats());
    out_.nodes_.emplace_back();
    build(0, 0, keys_.size(), 0);
    for (std::uint32_t i = 0; i < out_.nodes_[0].edge_count; ++i) {
      const Dictionary::Edge& edge = out_.edges_[out_.nodes_[0].first_edge + i];
      out_.from_root_[static_cast<unsigned char>(edge.label)] = edge.node;
    }
    return std::move(out_);
  }

 private:
  using Key = std::pair<std::string, std::uint32_t>;  // folded form, index in forms_

  static std::optional<Dictionary::Cue> cue_named(std::string_view text) {
    using Cue = Dictionary::Cue;
    constexpr std::array<std::pair<std::string_view, Cue>, 9> kNames = {{
        {"negation-before", Cue::kNegationBefore},
        {"negation-after", Cue::kNegationAfter},
        {"uncertain-before", Cue::kUncertainBefore},
        {"uncertain-after", Cue::kUncertainAfter},
        {"historical-before", Cue::kHistoricalBefore},
        {"historical-after", Cue::kHistoricalAfter},
        {"family-before", Cue::kFamilyBefore},
        {"neutral", Cue::kNeutral},
        {"stop", Cue::kStop},
    }};
    const auto* const found = std::ranges::find(kNames, text, &std::pair<std::string_view, Cue>::first);
    return found == kNames.end() ? std::nullopt : std::optional(found->second);
  }

  Status take_line(std::string_view line) {
    const std::vector<std::string_view> columns = split(line, '\t');
    if (columns.size() != 5) return fail(Errc::kRefused, "not five columns");
    Dictionary::Concept row;
    if (columns[0] == "cue") {
      MN_CHECK(take_cue(columns, row));
    } else {
      const std::optional<Category> category = category_named(columns[0]);
      if (!category) return fail(Errc::kRefused, "unknown category");
      if (columns[2].empty()) return fail(Errc::kRefused, "no English name");
      if (columns[2].size() > kDictionaryFormBytesMax || columns[3].size() > kDictionaryFormBytesMax) {
        return fail(Errc::kRefused, "a name is too long");
      }
      row.category = *category;
      row.code = columns[1];
      row.preferred = columns[2];
      row.preferred_ja = columns[3];
    }
    out_.concepts_.push_back(row);
    const bool cue = row.cue != Dictionary::Cue::kNone;
    if (!cue) add_form(columns[2], row);
    if (!cue && !columns[3].empty()) add_form(columns[3], row);
    for (const std::string_view form : split(columns[4], ';')) {
      if (form.size() > kDictionaryFormBytesMax) return fail(Errc::kRefused, "a form is too long");
      if (!form.empty()) add_form(form, row);
    }
    return {};
  }

  static Status take_cue(const std::vector<std::string_view>& columns, Dictionary::Concept& row) {
    const std::optional<Dictionary::Cue> cue = cue_named(columns[1]);
    if (!cue) return fail(Errc::kRefused, "unknown cue");
    row.cue = *cue;
    const char* const end = columns[2].data() + columns[2].size();
    const auto [at, error] = std::from_chars(columns[2].data(), end, row.reach);
    if (error != std::errc() || at != end) return fail(Errc::kRefused, "a cue's reach is a number");
    return {};
  }

  void add_form(std::string_view text, const Dictionary::Concept& row) {
    Dictionary::Form form;
    form.concept_index = static_cast<std::uint32_t>(out_.concepts_.size() - 1);
    if (text.front() == '!') form.no_heading = true;
    const bool exact = text.front() == '=' || text.front() == '!';
    if (exact) text.remove_prefix(1);
    Folded folded = fold(text);
    const bool ascii = std::ranges::all_of(folded.lower, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    form.may_be_plural =
        row.cue == Dictionary::Cue::kNone && !exact && ascii && folded.lower.size() >= 4 && folded.lower.back() != 's';
    form.katakana_open = code_points(folded.lower) >= 4;
    if (exact) form.exact = std::move(folded.cased);
    keys_.emplace_back(std::move(folded.lower), static_cast<std::uint32_t>(out_.forms_.size()));
    out_.forms_.push_back(std::move(form));
  }

  // Folding makes one of "Sjögren" and "Sjogren": within a concept that is no fault.
  Status drop_repeats() {
    std::vector<Key> kept;
    for (Key& key : keys_) {
      if (kept.empty() || kept.back().first != key.first) {
        kept.push_back(std::move(key));
      } else if (out_.forms_[kept.back().second].concept_index != out_.forms_[key.second].concept_index) {
        return fail(Errc::kRefused, "dictionary has the form \"" + key.first + "\" twice");
      }
    }
    keys_ = std::move(kept);
    return {};
  }

  // The node stands for keys_[begin, end), which share their first `depth` bytes. Recursion is as deep as the longest
  // form.
  void build(std::uint32_t node, std::size_t begin, std::size_t end, std::size_t depth) {
    if (begin < end && keys_[begin].first.size() == depth) {
      out_.nodes_[node].form = keys_[begin].second + 1;
      ++begin;
    }
    std::vector<std::pair<std::size_t, std::size_t>> groups;
    for (std::size_t i = begin; i < end;) {
      std::size_t next = i + 1;
      while (next < end && keys_[next].first[depth] == keys_[i].first[depth]) ++next;
      groups.emplace_back(i, next);
      i = next;
    }
    const auto first_edge = static_cast<std::uint32_t>(out_.edges_.size());
    out_.nodes_[node].first_edge = first_edge;
    out_.nodes_[node].edge_count = static_cast<std::uint32_t>(groups.size());
    for (const auto& [from, to] : groups) {
      out_.edges_.push_back({keys_[from].first[depth], static_cast<std::uint32_t>(out_.nodes_.size())});
      out_.nodes_.emplace_back();
    }
    for (std::size_t i = 0; i < groups.size(); ++i) {
      build(out_.edges_[first_edge + i].node, groups[i].first, groups[i].second, depth + 1);
    }
  }

  Dictionary out_;
  std::vector<Key> keys_;
};

Result<Dictionary> Dictionary::parse(std::string_view tsv) { return DictionaryReader().read(tsv); }

}  // namespace minato::language
