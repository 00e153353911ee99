#include "language/dictionary.h"

#include <algorithm>
#include <utility>

#include "language/dose.h"
#include "language/fold.h"

namespace minato::language {

std::string_view name(Category category) {
  switch (category) {
    case Category::kCondition:
      return "condition";
    case Category::kSymptom:
      return "symptom";
    case Category::kMedication:
      return "medication";
  }
  return "unknown";
}

// One text being read.
class Scan {
 public:
  Scan(const Dictionary& dictionary, std::string_view utf8)
      : dictionary_(dictionary), utf8_(utf8), text_(fold(utf8)), lower_(text_.lower) {}

  std::vector<Finding> run() {
    collect();
    apply_cues();
    std::vector<Finding> out;
    for (std::size_t i = 0; i < hits_.size(); ++i) {
      if (concept_of(hits_[i]).cue == Dictionary::Cue::kNone) out.push_back(finding(i));
    }
    count_code_points(out);
    return out;
  }

 private:
  using Cue = Dictionary::Cue;
  using Concept = Dictionary::Concept;
  using Form = Dictionary::Form;

  struct Hit {
    std::uint32_t form = 0;
    std::size_t begin = 0, end = 0;
    bool negated = false, historical = false, uncertain = false, family = false;
  };
  // A cue that reaches forward: how much further. One of short reach ("s/p") leads past its first finding through a
  // list only.
  struct Active {
    std::uint32_t left = 0;
    std::uint32_t reach = 0;
    bool through_list_only = false;
  };
  // What lies between two hits.
  struct Gap {
    std::uint32_t words = 0;
    bool sentence_ends = false;
    bool list = true;  // nothing but separators and "and"
  };

  const Concept& concept_of(const Hit& hit) const {
    return dictionary_.concepts_[dictionary_.forms_[hit.form].concept_index];
  }

  // ---- finding forms

  void collect() {
    for (std::size_t pos = 0; pos < lower_.size();) {
      const auto byte = static_cast<unsigned char>(lower_[pos]);
      const std::uint32_t node = dictionary_.from_root_[byte];
      Hit hit;
      if (node != 0 && begins_word(pos) && longest(pos, node, hit)) {
        pos = hit.end;
        hits_.push_back(hit);
      } else {
        pos += byte < 0x80 ? 1 : decode_at(lower_, pos).length;
      }
    }
  }

  bool begins_word(std::size_t pos) const {
    if (pos == 0) return true;
    const WordClass mine = word_class(decode_at(lower_, pos).code_point);
    return mine == WordClass::kNone || mine != word_class(decode_at(lower_, previous(lower_, pos)).code_point);
  }

  bool longest(std::size_t pos, std::uint32_t node, Hit& hit) const {
    bool found = false;
    std::size_t i = pos + 1;
    while (true) {
      const std::uint32_t form = dictionary_.nodes_[node].form;
      if (form != 0) {
        const std::size_t end = accepted_end(dictionary_.forms_[form - 1], pos, i);
        if (end != 0) {
          hit = Hit{.form = form - 1, .begin = pos, .end = end};
          found = true;
        }
      }
      if (i >= lower_.size()) return found;
      // A name may go on in the next line, but not past an empty one.
      const char label = lower_[i] == '\n' && lower_[i - 1] != '\n' ? ' ' : lower_[i];
      node = dictionary_.step(node, label);
      if (node == 0) return found;
      ++i;
    }
  }

  // Where the form that stands at [begin, end) ends, plural included; 0: it does not count here.
  std::size_t accepted_end(const Form& form, std::size_t begin, std::size_t end) const {
    if (!form.exact.empty() && std::string_view(text_.cased).substr(begin, end - begin) != form.exact) return 0;
    if (form.no_heading) {
      std::size_t colon = end;
      while (colon < lower_.size() && lower_[colon] == ' ') ++colon;
      if (colon < lower_.size() && lower_[colon] == ':') return 0;
    }
    if (ends_word(end, form)) return end;
    const bool plural = form.may_be_plural && lower_[end] == 's' && ends_word(end + 1, form);
    return plural ? end + 1 : 0;
  }

  bool ends_word(std::size_t end, const Form& form) const {
    if (end >= lower_.size()) return true;
    const WordClass mine = word_class(decode_at(lower_, previous(lower_, end)).code_point);
    if (mine == WordClass::kNone || (mine == WordClass::kKatakana && form.katakana_open)) return true;
    return mine != word_class(decode_at(lower_, end).code_point);
  }

  // ---- cues

  static constexpr std::array kForward = {Cue::kNegationBefore, Cue::kUncertainBefore, Cue::kHistoricalBefore,
                                          Cue::kFamilyBefore};
  // After each finding that a cue reached, so many words more may lead to the next one: lists are long.
  static constexpr std::uint32_t kListReach = 4;

  static void mark(Hit& hit, Cue cue) {
    if (cue == Cue::kNegationBefore || cue == Cue::kNegationAfter) hit.negated = true;
    if (cue == Cue::kUncertainBefore || cue == Cue::kUncertainAfter) hit.uncertain = true;
    if (cue == Cue::kHistoricalBefore || cue == Cue::kHistoricalAfter) hit.historical = true;
    if (cue == Cue::kFamilyBefore) hit.family = true;
  }

  void apply_cues() {
    std::array<Active, kForward.size()> active{};
    gaps_.resize(hits_.size());
    for (std::size_t i = 0; i < hits_.size(); ++i) {
      gaps_[i] = gap(i == 0 ? 0 : hits_[i - 1].end, hits_[i].begin);
      const Concept& here = concept_of(hits_[i]);
      for (Active& cue : active) {
        const bool spent = gaps_[i].sentence_ends || here.cue == Cue::kStop || cue.left < gaps_[i].words ||
                           (cue.through_list_only && !gaps_[i].list);
        cue.left = spent ? 0 : cue.left - gaps_[i].words;
      }
      if (here.cue == Cue::kNone) {
        reach_forward(active, hits_[i]);
        continue;
      }
      const auto* const forward = std::ranges::find(kForward, here.cue);
      if (forward != kForward.end()) {
        active[static_cast<std::size_t>(forward - kForward.begin())] = {here.reach, here.reach, false};
      } else if (here.cue != Cue::kStop && here.cue != Cue::kNeutral) {
        reach_back(i, here);
      }
    }
  }

  void reach_forward(std::array<Active, kForward.size()>& active, Hit& hit) const {
    for (std::size_t k = 0; k < kForward.size(); ++k) {
      if (active[k].left == 0) continue;
      mark(hit, kForward[k]);
      active[k].left = std::max(active[k].left, std::min(active[k].reach, kListReach));
      active[k].through_list_only = active[k].reach <= kListReach;
    }
  }

  // The cue at `i` follows its finding, and the list in which that stands: 発熱、咳嗽は認めず.
  void reach_back(std::size_t i, const Concept& cue) {
    std::size_t at = i;
    const auto reachable = [&](std::size_t k) { return k > 0 && concept_of(hits_[k - 1]).cue == Cue::kNone; };
    if (!reachable(at) || gaps_[at].sentence_ends || gaps_[at].words > cue.reach) return;
    mark(hits_[--at], cue.cue);
    const Category category = concept_of(hits_[at]).category;
    while (reachable(at) && gaps_[at].list && concept_of(hits_[at - 1]).category == category)
      mark(hits_[--at], cue.cue);
  }

  // A Latin word counts one, and so does a kana or kanji.
  Gap gap(std::size_t begin, std::size_t end) const {
    Gap out;
    bool in_word = false;
    for (std::size_t pos = begin; pos < end;) {
      const Decoded at = decode_at(lower_, pos);
      const bool word = word_class(at.code_point) == WordClass::kWord;
      if (word ? !in_word : at.code_point >= 0x3041 && at.code_point < 0xFF00) ++out.words;
      in_word = word;
      if (ends_sentence(pos, at)) out.sentence_ends = true;
      pos += at.length;
    }
    out.list = !out.sentence_ends && is_list_gap(std::string_view(lower_).substr(begin, end - begin));
    return out;
  }

  static bool is_list_gap(std::string_view gap) {
    constexpr std::string_view kSeparators[] = {" ",  ",",  "/",    "\n",     "、",  "・", "や",
                                                "と", "も", "及び", "および", "and", "or"};
    while (!gap.empty()) {
      const auto* const found =
          std::ranges::find_if(kSeparators, [&](std::string_view s) { return gap.starts_with(s); });
      if (found == std::end(kSeparators)) return false;
      gap.remove_prefix(found->size());
    }
    return true;
  }

  bool lower_case_follows(std::size_t pos) const {
    while (pos < lower_.size() && (lower_[pos] == ' ' || lower_[pos] == '\n')) ++pos;
    return pos < lower_.size() && text_.cased[pos] >= 'a' && text_.cased[pos] <= 'z';
  }

  bool ends_sentence(std::size_t pos, Decoded at) const {
    const char32_t c = at.code_point;
    if (c == 0x3002 || c == ';' || c == '!' || c == '?') return true;
    const std::size_t after = pos + at.length;
    const char next = after < lower_.size() ? lower_[after] : '\n';
    if (c == '.') return (next == ' ' || next == '\n') && !lower_case_follows(after);
    if (c != '\n') return false;
    if (next == '\n') return true;
    return !lower_case_follows(after) && (pos == 0 || lower_[pos - 1] != ',');
  }

  // ---- findings

  Finding finding(std::size_t i) const {
    const Hit& hit = hits_[i];
    const Concept& what = concept_of(hit);
    Finding out;
    out.category = what.category;
    out.span = source_span(hit.begin, hit.end);
    out.text = utf8_.substr(out.span.begin, out.span.end - out.span.begin);
    out.preferred = what.preferred;
    out.preferred_ja = what.preferred_ja;
    out.code = what.code;
    if (!what.code.empty()) out.code_system = what.category == Category::kMedication ? "RxNorm" : "ICD-10-CM";
    out.negated = hit.negated;
    out.historical = hit.historical;
    out.uncertain = hit.uncertain;
    out.family = hit.family;
    if (what.category == Category::kMedication) add_dose(i, out);
    return out;
  }

  void add_dose(std::size_t i, Finding& out) const {
    std::size_t limit = lower_.size();
    for (std::size_t k = i + 1; k < hits_.size() && limit == lower_.size(); ++k) {
      if (concept_of(hits_[k]).cue == Cue::kNone) limit = hits_[k].begin;
    }
    const DoseRange range = dose_after(lower_, hits_[i].end, limit);
    if (range.end == 0) return;
    out.dose_span = source_span(range.begin, range.end);
    out.dose = utf8_.substr(out.dose_span.begin, out.dose_span.end - out.dose_span.begin);
  }

  // The end is where the last character ends in the source: blanks that folding swallowed stay outside.
  Span source_span(std::size_t begin, std::size_t end) const {
    Span out;
    out.begin = text_.source[begin];
    const std::size_t last = text_.source[previous(lower_, end)];
    out.end = last + decode_at(utf8_, last).length;
    if (text_.source[end] > out.end && is_voice_mark(out.end)) out.end += 3;
    return out;
  }

  // A half-width or combining voice mark belongs to the kana in front of it.
  bool is_voice_mark(std::size_t pos) const {
    const char32_t c = pos < utf8_.size() ? decode_at(utf8_, pos).code_point : 0;
    return c == 0xFF9E || c == 0xFF9F || c == 0x3099 || c == 0x309A;
  }

  void count_code_points(std::vector<Finding>& findings) const {
    std::size_t pos = 0, count = 0;
    const auto count_to = [&](std::size_t end) {
      for (; pos < end; ++count) pos += decode_at(utf8_, pos).length;
      return count;
    };
    for (Finding& finding : findings) {
      finding.span.begin_code_point = count_to(finding.span.begin);
      finding.span.end_code_point = count_to(finding.span.end);
      if (finding.dose.empty()) continue;
      finding.dose_span.begin_code_point = count_to(finding.dose_span.begin);
      finding.dose_span.end_code_point = count_to(finding.dose_span.end);
    }
  }

  const Dictionary& dictionary_;
  std::string_view utf8_;
  Folded text_;
  const std::string& lower_;
  std::vector<Hit> hits_;
  std::vector<Gap> gaps_;  // [i]: before hits_[i]
};

std::uint32_t Dictionary::step(std::uint32_t node, char label) const {
  const Node& here = nodes_[node];
  const Edge* const begin = edges_.data() + here.first_edge;
  const Edge* const end = begin + here.edge_count;
  const Edge* const found = std::find_if(begin, end, [label](const Edge& edge) { return edge.label == label; });
  return found == end ? 0 : found->node;
}

std::vector<Finding> Dictionary::extract(std::string_view utf8, Language) const {
  return Scan(*this, utf8.substr(0, UINT32_MAX)).run();
}

std::shared_ptr<const Extractor> builtin_dictionary() {
  static const std::shared_ptr<const Extractor> kShared = [] {
    Result<Dictionary> parsed = Dictionary::parse(builtin_dictionary_tsv());
    // The table is part of the program and a test parses it; an empty dictionary finds nothing.
    return std::make_shared<const Dictionary>(parsed ? std::move(*parsed) : Dictionary());
  }();
  return kShared;
}

}  // namespace minato::language
