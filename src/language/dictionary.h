// The plain extractor: longest match of known forms on word boundaries, with cues for negation, history, doubt and
// family, and the dose behind a drug. Its table is data/dictionary.tsv, which also says what the columns mean.
//
//   Result<Dictionary> own = Dictionary::parse(tsv);      // a site's own table
//   std::shared_ptr<const Extractor> shipped = builtin_dictionary();
//
// It finds what it knows by name and nothing else; context beyond a few words is not understood.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "language/extractor.h"

namespace minato::language {

class Dictionary final : public Extractor {
 public:
  // kRefused: a line is malformed or a form stands there twice; the text names the line. kTooLarge: over
  // kDictionaryBytesMax.
  static Result<Dictionary> parse(std::string_view tsv);

  std::vector<Finding> extract(std::string_view utf8, Language hint) const override;
  std::size_t concept_count() const { return concepts_.size(); }
  std::size_t form_count() const { return forms_.size(); }

 private:
  friend class DictionaryReader;
  friend class Scan;

  enum class Cue : std::uint8_t {
    kNone,
    kNegationBefore,
    kNegationAfter,
    kUncertainBefore,
    kUncertainAfter,
    kHistoricalBefore,
    kHistoricalAfter,
    kFamilyBefore,
    kNeutral,
    kStop,
  };
  struct Concept {
    Category category = Category::kCondition;
    Cue cue = Cue::kNone;
    std::uint32_t reach = 0;  // of a cue, in words (Latin) or characters (Japanese)
    std::string code;
    std::string preferred, preferred_ja;
  };
  struct Form {
    std::uint32_t concept_index = 0;
    std::string exact;        // not empty: the text's case must be this
    bool no_heading = false;  // no finding when a colon follows
    bool may_be_plural = false;
    bool katakana_open = false;  // may be followed by more katakana
  };
  struct Node {
    std::uint32_t first_edge = 0;
    std::uint32_t edge_count = 0;
    std::uint32_t form = 0;  // index + 1; 0: no form ends here
  };
  struct Edge {
    char label = 0;
    std::uint32_t node = 0;
  };

  std::uint32_t step(std::uint32_t node, char label) const;  // 0: there is none

  std::vector<Concept> concepts_;
  std::vector<Form> forms_;
  std::vector<Node> nodes_;  // [0] is the root
  std::vector<Edge> edges_;  // of a node, in the order of their labels
  std::array<std::uint32_t, 256> from_root_{};
};

// The table that is compiled into the program; one for the whole process, made at the first call (any thread).
std::shared_ptr<const Extractor> builtin_dictionary();
// Its text, data/dictionary.tsv.
std::string_view builtin_dictionary_tsv();

}  // namespace minato::language
