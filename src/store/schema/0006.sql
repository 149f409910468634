-- Of another part of the work: its tables come with it.
SELECT 1;
