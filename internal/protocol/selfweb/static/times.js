// Writes moments in the visitor's own time zone and manner: the page has them in UTC, which stays where this doesn't run.
"use strict";
(() => {
  const write = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  for (const at of document.querySelectorAll("time[datetime]")) {
    const moment = new Date(at.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    at.title = at.textContent;
    at.textContent = write.format(moment);
  }
})();
