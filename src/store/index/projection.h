// What a projection gives to the database that holds it: its tables, and what it keeps in memory between two commits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace minato {

// The tables of one projection. When the version of any differs from what a file was made with, the whole file is
// deleted and built anew from the journal: schemas are never migrated.
struct ProjectionSchema {
  std::string name = {};
  std::uint32_t version = 1;
  std::string sql = {};  // CREATE statements, separated by ';'
  // Tables that must outlive the records they were made of, when those are purged: see DerivedDatabase::keep().
  std::vector<std::string> kept_tables = {};
};

// Something that gathers changes in memory while a batch runs (counters, dictionaries) and writes them at its end.
class BatchParticipant {
 public:
  virtual ~BatchParticipant() = default;
  // Inside the transaction, before it commits: write what was gathered. An error fails the commit.
  virtual Status flush() = 0;
  // The transaction was rolled back: forget everything that is not in the database.
  virtual void forget() = 0;
};

}  // namespace minato
