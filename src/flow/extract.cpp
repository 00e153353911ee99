#include "flow/extract.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"

namespace minato {
namespace {

// ---- sections

struct Heading {
  std::string_view text;  // ASCII in lower case
  Section section;
};
constexpr Heading kHeadings[] = {
    {"past medical history", Section::kHistory},
    {"past history", Section::kHistory},
    {"medical history", Section::kHistory},
    {"past surgical history", Section::kHistory},
    {"surgical history", Section::kHistory},
    {"pmhx", Section::kHistory},
    {"pmh", Section::kHistory},
    {"psh", Section::kHistory},
    {"previous illnesses", Section::kHistory},
    {"family history", Section::kFamily},
    {"family hx", Section::kFamily},
    {"fhx", Section::kFamily},
    {"fh", Section::kFamily},
    {"allergies", Section::kAllergy},
    {"allergy", Section::kAllergy},
    {"drug allergies", Section::kAllergy},
    {"adverse reactions", Section::kAllergy},
    {"intolerances", Section::kAllergy},
    {"medications", Section::kMedication},
    {"current medications", Section::kMedication},
    {"home medications", Section::kMedication},
    {"discharge medications", Section::kMedication},
    {"meds", Section::kMedication},
    {"assessment and plan", Section::kOther},
    {"assessment", Section::kOther},
    {"plan", Section::kOther},
    {"impression", Section::kOther},
    {"diagnosis", Section::kOther},
    {"diagnoses", Section::kOther},
    {"admission diagnosis", Section::kOther},
    {"discharge diagnosis", Section::kOther},
    {"chief complaint", Section::kOther},
    {"cc", Section::kOther},
    {"history of present illness", Section::kOther},
    {"hpi", Section::kOther},
    {"physical examination", Section::kOther},
    {"physical exam", Section::kOther},
    {"pe", Section::kOther},
    {"review of systems", Section::kOther},
    {"ros", Section::kOther},
    {"social history", Section::kOther},
    {"sh", Section::kOther},
    {"vital signs", Section::kOther},
    {"vitals", Section::kOther},
    {"laboratory", Section::kOther},
    {"labs", Section::kOther},
    {"hospital course", Section::kOther},
    {"subjective", Section::kOther},
    {"objective", Section::kOther},
    {"既往歴", Section::kHistory},
    {"既往", Section::kHistory},
    {"手術歴", Section::kHistory},
    {"家族歴", Section::kFamily},
    {"アレルギー歴", Section::kAllergy},
    {"アレルギー", Section::kAllergy},
    {"薬剤アレルギー", Section::kAllergy},
    {"副作用歴", Section::kAllergy},
    {"禁忌薬", Section::kAllergy},
    {"内服薬", Section::kMedication},
    {"常用薬", Section::kMedication},
    {"持参薬", Section::kMedication},
    {"処方", Section::kMedication},
    {"主訴", Section::kOther},
    {"現病歴", Section::kOther},
    {"現症", Section::kOther},
    {"身体所見", Section::kOther},
    {"検査所見", Section::kOther},
    {"診断", Section::kOther},
    {"診断名", Section::kOther},
    {"評価", Section::kOther},
    {"計画", Section::kOther},
    {"方針", Section::kOther},
    {"生活歴", Section::kOther},
    {"経過", Section::kOther},
    {"入院後経過", Section::kOther},
};

constexpr std::string_view kOpeners[] = {" ",  "\t", "　", "【", "[",  "［", "<", "＜", "(",
                                         "（", "■",  "●",  "◆",  "・", "#",  "*", "-"};
constexpr std::string_view kClosers[] = {" ", "\t", "　", "】", "]", "］", ">", "＞", ")", "）"};

template <std::size_t N>
std::size_t skip(std::string_view text, std::size_t pos, const std::string_view (&what)[N]) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view piece : what) {
      if (!text.substr(pos).starts_with(piece)) continue;
      pos += piece.size();
      again = true;
    }
  }
  return pos;
}

bool starts_with_folded(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() && ascii_iequals(text.substr(0, lower.size()), lower);
}

// Few positions begin like any heading at all, and those that do are compared with few.
const std::vector<const Heading*>& headings_starting_with(std::string_view text) {
  static const std::array<std::vector<const Heading*>, 256> kByFirst = [] {
    std::array<std::vector<const Heading*>, 256> out;
    for (const Heading& heading : kHeadings) {
      const char first = heading.text.front();
      out[static_cast<unsigned char>(first)].push_back(&heading);
      if (first >= 'a' && first <= 'z') out[static_cast<unsigned char>(first - 'a' + 'A')].push_back(&heading);
    }
    return out;
  }();
  static const std::vector<const Heading*> kNone;
  return text.empty() ? kNone : kByFirst[static_cast<unsigned char>(text.front())];
}

struct FoundHeading {
  Section section = Section::kNone;
  std::size_t end = 0;  // where what it heads begins
};

// A heading whose line, or sentence, begins at `pos`.
std::optional<FoundHeading> heading_at(std::string_view text, std::size_t pos) {
  const std::size_t word = skip(text, pos, kOpeners);
  const Heading* best = nullptr;
  for (const Heading* const heading : headings_starting_with(text.substr(word))) {
    if (starts_with_folded(text.substr(word), heading->text) &&
        (best == nullptr || heading->text.size() > best->text.size())) {
      best = heading;
    }
  }
  if (best == nullptr) return std::nullopt;
  const std::size_t after_word = word + best->text.size();
  const std::size_t after = skip(text, after_word, kClosers);
  const bool bracketed = text.substr(after_word, after - after_word).find_first_not_of(" \t") != std::string_view::npos;
  if (text.substr(after).starts_with(":")) return FoundHeading{best->section, after + 1};
  if (text.substr(after).starts_with("：")) return FoundHeading{best->section, after + std::string_view("：").size()};
  const bool line_ends = after >= text.size() || text[after] == '\n' || text[after] == '\r';
  if (line_ends || bracketed) return FoundHeading{best->section, after};
  return std::nullopt;
}

// Where a heading may begin next: after a line feed, a full stop or a semicolon.
std::size_t next_start(std::string_view text, std::size_t pos) {
  while (pos < text.size()) {
    const char c = text[pos];
    if (c == '\n' || c == '\r' || c == ';' || (c == '.' && pos + 1 < text.size() && text[pos + 1] == ' '))
      return pos + 1;
    if (text.substr(pos).starts_with("。")) return pos + std::string_view("。").size();
    ++pos;
  }
  return text.size();
}

bool blank_line_before(std::string_view text, std::size_t pos) {
  return pos >= 2 && text[pos - 1] == '\n' && (text[pos - 2] == '\n' || text.substr(0, pos).ends_with("\n\r\n"));
}

// ---- narratives

// Text of one note with the places its parts came from.
struct Narrative {
  struct Part {
    std::size_t begin = 0, begin_code_point = 0;
    hl7::Location where;
  };
  std::string text;
  std::size_t code_points = 0;
  std::vector<Part> parts;

  void add(std::string_view piece, const hl7::Location& where) {
    if (!text.empty()) append("\n");
    parts.push_back({text.size(), code_points, where});
    append(piece);
  }

 private:
  void append(std::string_view piece) {
    text += piece;
    for (std::size_t pos = 0; pos < piece.size(); ++code_points) {
      pos += std::max<std::size_t>(1, utf8_sequence_bytes(piece.substr(pos)));
    }
  }
};

class Collector {
 public:
  explicit Collector(Extraction& out) : out_(out) {}

  std::vector<Narrative> run(const hl7::Message& message) {
    for (const hl7::Segment& segment : message.segments()) {
      if (segment.id() == "OBX") {
        take_observation(segment);
      } else if (segment.id() == "NTE") {
        const hl7::Field comment = segment.field(3);
        open("NTE");
        for (const hl7::Repetition& part : comment.repetitions()) add(part.text(), part.location());
      } else {
        current_.clear();
      }
    }
    std::erase_if(narratives_, [](const Narrative& narrative) { return narrative.text.empty(); });
    out_.texts = narratives_.size();
    return std::move(narratives_);
  }

 private:
  void take_observation(const hl7::Segment& obx) {
    const std::string type = obx.field(2).text();
    if (type == "ED" || type == "RP") {
      ++out_.refused;
      current_.clear();
      return;
    }
    const bool narrative = type == "TX" || type == "FT" || type == "ST";
    const bool coded = type == "CWE" || type == "CE" || type == "CNE" || type == "CF";
    if (!narrative && !coded) {
      current_.clear();
      return;
    }
    // One note may come as many OBX, a line each; they share OBX-3 and OBX-4.
    open("OBX|" + std::string(obx.field(3).raw()) + "|" + std::string(obx.field(4).raw()));
    for (const hl7::Repetition& value : obx.field(5).repetitions()) {
      if (narrative) {
        add(value.text(), value.location());
        continue;
      }
      // CWE-9 is what was originally written, CWE-2 the code's text (HL7 v2.5.1 section 2.A.13).
      const hl7::Component original = value.component(9);
      const hl7::Component text = original.empty() ? value.component(2) : original;
      add(text.text(), text.location());
    }
  }

  void open(std::string key) {
    if (!current_.empty() && current_ == key) return;
    current_ = std::move(key);
    narratives_.emplace_back();
  }

  void add(std::string text, const hl7::Location& where) {
    if (text.empty()) return;
    if (text.size() > left_) {
      out_.truncated = true;
      text.resize(left_);
    }
    left_ -= text.size();
    narratives_.back().add(text, where);
  }

  Extraction& out_;
  std::vector<Narrative> narratives_;
  std::string current_;
  std::size_t left_ = kExtractTextBytesMax;
};

void move_span(language::Span& span, std::size_t bytes, std::size_t code_points) {
  span.begin += bytes;
  span.end += bytes;
  span.begin_code_point += code_points;
  span.end_code_point += code_points;
}

void move_back(language::Span& span, const Narrative::Part& part) {
  span.begin -= part.begin;
  span.end -= part.begin;
  span.begin_code_point -= part.begin_code_point;
  span.end_code_point -= part.begin_code_point;
}

std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t pos = 0; pos < text.size(); ++count) {
    pos += std::max<std::size_t>(1, utf8_sequence_bytes(text.substr(pos)));
  }
  return count;
}

void extract_narrative(const Narrative& narrative, const language::Extractor& extractor, Extraction& out) {
  std::size_t counted = 0, code_points = 0;
  for (const SectionText& section : split_sections(narrative.text)) {
    code_points += count_code_points(std::string_view(narrative.text).substr(counted, section.offset - counted));
    counted = section.offset;
    for (language::Finding& finding : extractor.extract(section.text, language::Language::kUnknown)) {
      if (out.findings.size() >= kExtractFindingsMax) {
        out.truncated = true;
        return;
      }
      move_span(finding.span, section.offset, code_points);
      if (!finding.dose.empty()) move_span(finding.dose_span, section.offset, code_points);
      finding.historical = finding.historical || section.section == Section::kHistory;
      finding.family = finding.family || section.section == Section::kFamily;
      const auto after = std::ranges::upper_bound(narrative.parts, finding.span.begin, {}, &Narrative::Part::begin);
      const Narrative::Part& part = *std::prev(after);
      move_back(finding.span, part);
      if (!finding.dose.empty()) move_back(finding.dose_span, part);
      out.findings.push_back({std::move(finding), section.section, part.where});
    }
  }
}

}  // namespace

std::string_view name(Section section) {
  switch (section) {
    case Section::kNone:
      return "none";
    case Section::kHistory:
      return "history";
    case Section::kFamily:
      return "family";
    case Section::kAllergy:
      return "allergy";
    case Section::kMedication:
      return "medication";
    case Section::kOther:
      return "other";
  }
  return "unknown";
}

std::vector<SectionText> split_sections(std::string_view text) {
  std::vector<SectionText> out;
  Section section = Section::kNone;
  std::size_t begin = 0;
  const auto close = [&](std::size_t end) {
    if (end > begin) out.push_back({section, text.substr(begin, end - begin), begin});
  };
  for (std::size_t pos = 0; pos < text.size(); pos = next_start(text, pos)) {
    const std::optional<FoundHeading> heading = heading_at(text, pos);
    const bool paragraph =
        section != Section::kNone && blank_line_before(text, pos) && !trim(text.substr(begin, pos - begin - 1)).empty();
    if (heading) {
      close(pos);
      section = heading->section;
      begin = heading->end;
      pos = std::max(pos, heading->end == 0 ? 0 : heading->end - 1);
    } else if (paragraph) {
      close(pos);
      section = Section::kNone;
      begin = pos;
    }
  }
  close(text.size());
  return out;
}

Extraction extract_findings(const hl7::Message& message, const language::Extractor& extractor) {
  Extraction out;
  for (const Narrative& narrative : Collector(out).run(message)) extract_narrative(narrative, extractor, out);
  return out;
}

std::vector<LocatedFinding> mailable(const std::vector<LocatedFinding>& findings) {
  std::vector<LocatedFinding> out;
  for (const LocatedFinding& found : findings) {
    if (!found.finding.affirmed() || found.section == Section::kAllergy) continue;
    const auto same = std::ranges::find_if(out, [&](const LocatedFinding& other) {
      return other.finding.category == found.finding.category && other.finding.preferred == found.finding.preferred;
    });
    if (same == out.end()) {
      out.push_back(found);
    } else if (same->finding.dose.empty() && !found.finding.dose.empty()) {
      *same = found;
    }
  }
  return out;
}

}  // namespace minato
