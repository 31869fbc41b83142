"""All cases, with the area of each."""

import dataclasses

import cases_answers
import cases_connection
import cases_fields
import cases_framing
import cases_request_line

CASES = [dataclasses.replace(case, area=area)
         for module in (cases_request_line, cases_fields, cases_framing, cases_connection, cases_answers)
         for area, group in module.AREAS.items() for case in group]
AREAS = list(dict.fromkeys(case.area for case in CASES))
