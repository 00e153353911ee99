// What every journal must do, whoever implements it. An implementation's test makes a JournalFixture and instantiates
// the suite (journal_conformance_test.cpp).
#pragma once

#include <memory>
#include <string>

#include "store/journal/journal.h"

namespace minato {

// One place where journals live, fresh for each test.
class JournalFixture {
 public:
  virtual ~JournalFixture() = default;
  // Opens the journal of this place; what an earlier one held is there.
  virtual Result<std::unique_ptr<Journal>> open() = 0;
  // Not empty: why this implementation cannot be tested here.
  virtual std::string unavailable() const { return {}; }
};

using JournalFixtureMaker = std::unique_ptr<JournalFixture> (*)();

}  // namespace minato
