-- The index over every profile's wake-up, also those that have none, is replaced by
-- profiles_due.
DROP INDEX profiles_by_wake;
