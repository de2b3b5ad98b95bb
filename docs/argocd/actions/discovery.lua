-- Which actions Argo CD offers for a FlowsEncryptionKey; docs/gitops.md says how to install them.
local status = obj.status or {}
local suspended = obj.spec.suspend == true
local phase = nil
if status.rotation ~= nil then
  phase = status.rotation.phase
end
-- A rotation is decided in these phases: to go on without the rest of the wait, or to go back.
local waits = phase == "Staged" or phase == "Canary" or phase == "RollingOut" or phase == "Overlap" or phase == "RolledBack"
local goes = phase == "Staged" or phase == "Canary" or phase == "RollingOut"

local actions = {}
actions["check-now"] = { ["disabled"] = suspended }
actions["suspend"] = { ["disabled"] = suspended }
actions["resume"] = { ["disabled"] = not suspended }
actions["proceed"] = { ["disabled"] = suspended or not waits }
actions["abort"] = { ["disabled"] = suspended or not goes }
return actions
