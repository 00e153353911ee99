// From a message's narrative (OBX-5, NTE-3) to findings, section by section.
//
//   Extraction found = extract_findings(message, *extractor);
//
// Text of OBX-5 with OBX-2 TX, FT, ST or CWE/CE (its text component) and of NTE-3 is read; consecutive OBX of one OBX-3
// are one text, as senders split a note by line. OBX-5 of type ED or RP (base64 documents, pointers) is refused,
// counted, and never decoded. Lines that head a section ("PMH:", "Family history", 既往歴, アレルギー …) set what
// follows until the next heading: history, family, allergy. Pure; linear; at most kExtractTextBytesMax of text are
// read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/hl7/message.h"
#include "language/extractor.h"

namespace minato {

enum class Section : std::uint8_t { kNone, kHistory, kFamily, kAllergy, kMedication, kOther };
std::string_view name(Section section);

struct LocatedFinding {
  language::Finding finding;  // spans are relative to the text of `where`
  Section section = Section::kNone;
  hl7::Location where;  // of the OBX-5 or NTE-3 in which the text that holds it begins
};

struct Extraction {
  std::vector<LocatedFinding> findings;  // in the order of the message
  std::size_t texts = 0;                 // narratives read
  std::size_t refused = 0;               // OBX-5 with embedded or referenced documents
  bool truncated = false;                // there was more than the limits let through
};

Extraction extract_findings(const hl7::Message& message, const language::Extractor& extractor);

// One text cut at its headings. The views point into `text`.
struct SectionText {
  Section section = Section::kNone;
  std::string_view text;
  std::size_t offset = 0;  // of it in the text
};
std::vector<SectionText> split_sections(std::string_view text);

// What may be said of this patient in a mail: neither negated, nor somebody else's, nor an allergy; each concept once,
// the one with a dose first.
std::vector<LocatedFinding> mailable(const std::vector<LocatedFinding>& findings);

}  // namespace minato
