// Reading a data directory on which no server runs.
#pragma once

#include <cstddef>

#include "app/commands.h"
#include "base/error.h"
#include "store/index/message_index.h"

namespace minato {

// Whether the error says that no server runs, and the directory can be read without one.
bool may_read_offline(const AdminOptions& options, const Error& error);

// Prints the newest messages that match, one JSON object a line; returns the exit status. Takes the directory's lock
// meanwhile.
int list_offline(const AdminOptions& options, const MessageFilter& filter, std::size_t limit);

}  // namespace minato
