"""Given names and their short forms, a group a line: such names are asked about, and never taken for each other.

Written for this list from common knowledge; no collection was copied.
"""

from __future__ import annotations

_GROUPS = """
abigail abby
alexander alexandra alex sasha sandra sandy xander
andrew andy drew
anthony antonio tony toni
barbara barb babs
benjamin ben benny
catherine katherine kathryn katharine cathy kathy kate katie cat kit
charles charlie chuck carl carlos
christopher christine christina chris kris tina
daniel danielle dan danny
david dave davey
deborah debra deb debbie
dorothy dot dottie
edward ed eddie ted teddy ned
eleanor ellie nell nora
elizabeth elisabeth liz lizzie beth betty betsy eliza lisa
emily em emmy
frances francis francisco fran frank frankie paco pancho
frederick fred freddie
george georgie
gerald gerard gerry jerry
gregory greg
guadalupe lupe lupita
harold henry harry hal hank
helen nell
ignacio nacho
isabel isabella isa bella
jacob james jim jimmy jamie jake
jennifer jen jenny
jessica jess jessie
jesus chucho
john jonathan jack johnny jon
joseph jose joe joey pepe
joshua josh
judith judy
kenneth ken kenny
kimberly kim
lawrence larry
leonard leo len lenny
margaret maggie meg peggy greta rita
maria mary maruja mia molly polly
matthew matt
michael miguel mike mick mickey misha
mohammed muhammad mohamed mo
nathaniel nathan nat nate
nicholas nick nico nicky
pamela pam
patricia patrick pat patty tricia paddy
peter pete
philip phil
raymond ray
rebecca becky becca
richard rich rick ricky dick
robert roberto rob bob bobby robbie bert
ronald ron ronnie
rosario charo
samuel samantha sam sammy
sarah sally sadie
stephen steven steve stevie
susan suzanne sue susie
theodore theo ted teddy
theresa teresa terry tess tessa
thomas tom tommy
timothy tim
tomasz tomek
valerie val
victoria vicky tori
vincent vince vinny
walter walt wally
william bill billy will willie liam guillermo memo
wladimir vladimir volodymyr vova
yevgeny zhenya
zachary zach
"""
SHORT_FORMS = tuple(frozenset(group.split()) for group in _GROUPS.strip().splitlines())
